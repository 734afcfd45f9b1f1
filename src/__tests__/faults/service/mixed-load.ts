import type { SeededRandom } from '../../helpers/seeded-random.js';
import { isSettled, type KnownStore, storeAfter } from './known-store.js';
import type { CallerKind, RecordedWrite } from './recorded-write.js';

/** What a mixed load consists of; the rest are replacements. */
export interface LoadMix {
  readonly creations: number;
  readonly decommissionings: number;
  /** Of callers who may not write. */
  readonly intrusions: number;
  readonly reads: number;
  /** Share of writes with an idempotency key. */
  readonly keyed: number;
}

export const defaultMix: LoadMix = {
  creations: 0.2,
  decommissionings: 0.03,
  intrusions: 0.03,
  reads: 0.1,
  keyed: 0.7,
};

/** What clients can do. */
export interface LoadActions {
  read(store: KnownStore): Promise<void>;
  write(
    kind: RecordedWrite['kind'],
    store: KnownStore | undefined,
    options: { readonly isKeyed: boolean; readonly caller?: CallerKind },
  ): Promise<RecordedWrite>;
}

const maxStoresPerWorker = 40;

/** Clients that go on until they are stopped: each with one request at a time, and stores of its own. */
export class MixedLoad {
  readonly #random: SeededRandom;
  readonly #actions: LoadActions;
  #workers: Promise<void>[] = [];
  #isStopping = false;

  constructor(random: SeededRandom, actions: LoadActions) {
    this.#random = random;
    this.#actions = actions;
  }

  /** @param count clients at once */
  start(count: number, mix: LoadMix = defaultMix): void {
    this.#workers.push(...Array.from({ length: count }, () => this.#work(mix)));
  }

  /** Lets every client finish what it is at. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#workers);
    this.#workers = [];
    this.#isStopping = false;
  }

  async #work(mix: LoadMix): Promise<void> {
    const stores: KnownStore[] = [];
    while (!this.#isStopping) await this.#act(mix, stores);
  }

  async #act(mix: LoadMix, stores: KnownStore[]): Promise<void> {
    const random = this.#random;
    const actions = this.#actions;
    const store = stores.length > 0 ? random.pick(stores) : undefined;
    const dice = random.next();
    const isKeyed = random.next() < mix.keyed;
    if (dice < mix.intrusions) {
      const caller = random.pick(['viewer', 'forged', 'revoked'] as const);
      // nobody waits to be let in
      await actions.write(store ? 'replace' : 'create', store, { caller, isKeyed: false });
    } else if (store && dice < mix.intrusions + mix.reads) {
      await actions.read(store);
    } else if (!store || random.next() < mix.creations) {
      const write = await actions.write('create', undefined, { isKeyed });
      if (isSettled(write) && write.storeId !== undefined) stores.push(storeAfter(write));
      if (stores.length > maxStoresPerWorker) stores.shift();
    } else {
      const kind = random.next() < mix.decommissionings ? 'decommission' : 'replace';
      const write = await actions.write(kind, store, { isKeyed });
      if (kind === 'replace' && isSettled(write)) Object.assign(store, storeAfter(write, store.done));
      else stores.splice(stores.indexOf(store), 1);
    }
  }
}
