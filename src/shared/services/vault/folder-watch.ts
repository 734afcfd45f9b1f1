import { BreakerTimeoutError, runBounded } from '../../resilience/run-bounded.js';
import type { CancelTask, TimerClock } from '../../timer-clock.js';
import { ReplyFields } from './reply-fields.js';
import { SingleFlight } from './single-flight.js';
import { describeFailure } from './vault-away.js';
import { isAbsence, VaultError, type VaultFailure } from './vault-error.js';
import { checkNode, isUsable, type VaultNodeState } from './vault-health.js';
import { vaultPath, type VaultPath } from './vault-path.js';
import type { VaultLog, VaultMetrics } from './vault-ports.js';
import type { VaultSession } from './vault-session.js';

export interface FolderWatchOptions {
  readonly session: VaultSession;
  /** Where KV version 2 is mounted. */
  readonly mount: string;
  readonly folder: string;
  /** For one look. */
  readonly timeoutMs: number;
  readonly clock: TimerClock;
  readonly log: VaultLog;
  readonly metrics: VaultMetrics;
}

/** Whether the records in the folder can be read, as of the last look. */
export type FolderState =
  { readonly isReadable: true } | { readonly isReadable: false; readonly reason: string };

/** No record has this name: ids of callers hold no underscore. */
const nameOfNone = '_watch';
const operation = 'kv.watch';
const intervalMs = 3_000;
/** While something is wrong, or may be. */
const hurriedMs = 1_000;
/** One look may fail by chance. */
const failuresToTell = 2;

const ofNoUse: ReadonlySet<VaultNodeState> = new Set<VaultNodeState>([
  'sealed',
  'uninitialised',
  'dr-secondary',
]);

/** What concerns the asking, or was an answer, is no single record's fault. */
const noFault: ReadonlySet<VaultFailure> = new Set<VaultFailure>([
  'rate_limited',
  'behind',
  'cancelled',
  'not_found',
]);

/**
 * Looks whether records in a folder can be read, by asking for one that does not exist, in the way in which the others are
 * asked for: with our token, from where they are. Every few seconds, whatever the traffic, and whenever a record cannot be
 * read.
 */
export class FolderWatch {
  readonly #options: FolderWatchOptions;
  readonly #path: VaultPath;
  readonly #looks = new SingleFlight<VaultError | undefined>();
  #failures = 0;
  #hasSucceeded = false;
  #state: FolderState = { isReadable: true };
  #cancelNext: CancelTask = () => undefined;
  #isStopped = false;

  constructor(options: FolderWatchOptions) {
    this.#options = options;
    this.#path = vaultPath(options.mount, 'data', options.folder, nameOfNone);
  }

  get state(): FolderState {
    return this.#state;
  }

  /** Looks now and every few seconds from now on, until it is stopped. Resolves after the first look. */
  async start(): Promise<void> {
    await this.#look();
    if (this.#isStopped) return;
    const isWell = this.#failures === 0;
    this.#cancelNext = this.#options.clock.after(isWell ? intervalMs : hurriedMs, () => {
      void this.start();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelNext();
  }

  /**
   * What it means that a record cannot be read: the same error if the others cannot be read either, `unreadable` if it is
   * that record alone.
   */
  async judge(error: unknown): Promise<unknown> {
    if (!(error instanceof VaultError) || isNoFault(error)) return error;
    if ((await this.#look()) !== undefined) return error;
    const { status } = error;
    return new VaultError(error.operation, 'unreadable', {
      ...(status !== undefined && { status }),
      reason: error.reason ?? error.failure.toUpperCase(),
    });
  }

  /** @returns what keeps the records from being read; never rejects */
  #look(): Promise<VaultError | undefined> {
    return this.#looks.run(async () => {
      const { timeoutMs, clock } = this.#options;
      const { result } = runBounded((signal) => this.#ask(signal), { label: operation, timeoutMs, clock });
      try {
        await result;
        this.#note(undefined);
        return undefined;
      } catch (error) {
        const failure = error instanceof VaultError ? error : failureFor(error);
        this.#note(failure);
        return failure;
      }
    });
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const { session } = this.#options;
    if (this.#failures > 0) await this.#askNode();
    try {
      const reply = await session.tokens.withToken((token) =>
        session.client.read(this.#path, { operation, token, signal }),
      );
      // so there is one of that name after all: it must look like one
      ReplyFields.of(operation, reply).record('data').plain('data');
    } catch (error) {
      if (!isAbsence(error)) throw error;
    }
  }

  /**
   * Without a token, which may be over, and past the breakers: they wait for longer and longer while Vault is away. A node
   * that does not say how it is, as behind a gateway, may be well.
   * @throws {VaultError} if it says that it is of no use
   */
  async #askNode(): Promise<void> {
    const { session } = this.#options;
    const node = await checkNode(session.client);
    if (ofNoUse.has(node)) {
      const failure = node === 'sealed' ? 'sealed' : 'unreachable';
      throw new VaultError(operation, failure, { reason: node.toUpperCase() });
    }
    if (isUsable(node)) session.invite('security');
  }

  #note(failure: VaultError | undefined): void {
    const { log } = this.#options;
    if (!failure) {
      this.#failures = 0;
      this.#hasSucceeded = true;
      if (!this.#state.isReadable) log.info('Records of callers can be read again', {});
      this.#become({ isReadable: true });
      return;
    }
    this.#failures += 1;
    if (this.#hasSucceeded && this.#failures < failuresToTell) return;
    if (this.#state.isReadable) log.error('Records of callers cannot be read', describeFailure(failure));
    this.#become({ isReadable: false, reason: failure.failure });
  }

  #become(state: FolderState): void {
    this.#state = state;
    this.#options.metrics.gauge('vault_callers_readable', state.isReadable ? 1 : 0, {});
  }
}

/** The login that a look needs is left alone, or everything together took too long. */
function failureFor(error: unknown): VaultError {
  const failure = error instanceof BreakerTimeoutError ? 'timeout' : 'unreachable';
  return new VaultError(operation, failure, { reason: 'LEFT_ALONE' });
}

function isNoFault({ failure, reason }: VaultError): boolean {
  // a 404 of nothing mounted there is no answer, whichever record was asked for
  return reason !== 'NO_ROUTE' && noFault.has(failure);
}
