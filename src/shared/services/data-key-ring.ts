import { createSecretKey, type KeyObject } from 'node:crypto';
import type { TimerClock } from '../timer-clock.js';
import { SingleFlight } from './vault/single-flight.js';
import type { BatchResult, DataKey } from './vault/transit.js';

/** The part of Transit that envelope encryption needs. */
export interface DataKeySource {
  createDataKey(): Promise<DataKey>;
  decryptMany(wrapped: readonly string[]): Promise<BatchResult<Buffer>[]>;
  rewrapMany(wrapped: readonly string[]): Promise<BatchResult<string>[]>;
}

export interface DataKeyRingOptions {
  readonly source: DataKeySource;
  readonly clock: TimerClock;
  /** How long one data key encrypts, and how long an opened one is remembered. */
  readonly keyLifetimeMs: number;
  /** Encryptions per data key; far below the 2^32 that random 96-bit IVs allow (NIST SP 800-38D, section 8.3). */
  readonly maxUses: number;
  /** Opened keys that are remembered. */
  readonly maxOpened: number;
}

/** A data key in use. Node's KeyObject shows no bytes to `inspect` or JSON. */
export interface UsableKey {
  readonly key: KeyObject;
  readonly wrapped: string;
}

/** Of AES-256. */
const keyBytes = 32;

/** Data keys at hand, for a bounded time: one to encrypt with, and those that were opened to decrypt. */
export class DataKeyRing {
  readonly #options: DataKeyRingOptions;
  readonly #creation = new SingleFlight<UsableKey>();
  readonly #opened = new Map<string, { readonly key: KeyObject; readonly untilMs: number }>();
  #current: { readonly usable: UsableKey; readonly untilMs: number; uses: number } | undefined;

  constructor(options: DataKeyRingOptions) {
    this.#options = options;
  }

  /** A key to encrypt one field with. @throws what the source throws, if there is none at hand */
  async take(): Promise<UsableKey> {
    const current = this.#current;
    if (current && current.uses < this.#options.maxUses && this.#now() < current.untilMs) {
      current.uses += 1;
      return current.usable;
    }
    return this.#creation.run(() => this.#create());
  }

  /**
   * Keys to decrypt with, by their wrapped form; the ones that are not at hand are asked for in one go.
   * @returns an error in the place of every key that Vault refused to open
   * @throws what the source throws, if it cannot be asked
   */
  async open(wrapped: readonly string[]): Promise<ReadonlyMap<string, KeyObject | Error>> {
    const wanted = [...new Set(wrapped)];
    const result = new Map<string, KeyObject | Error>();
    for (const name of wanted) {
      const key = this.#findOpened(name);
      if (key) result.set(name, key);
    }
    const missing = wanted.filter((name) => !result.has(name));
    if (missing.length === 0) return result;
    const answers = await this.#options.source.decryptMany(missing);
    missing.forEach((name, index) => {
      const answer = answers[index];
      if (answer?.ok && answer.value.length === keyBytes) {
        result.set(name, this.#remember(name, answer.value));
      } else if (answer?.ok) result.set(name, new Error('What Vault opened is no data key'));
      else result.set(name, answer?.error ?? new Error('Vault gave no answer for a data key'));
    });
    return result;
  }

  /** Forgets every key. */
  clear(): void {
    this.#current = undefined;
    this.#opened.clear();
  }

  async #create(): Promise<UsableKey> {
    const { plaintext, wrapped } = await this.#options.source.createDataKey();
    const usable = { key: this.#remember(wrapped, plaintext), wrapped };
    this.#current = { usable, untilMs: this.#now() + this.#options.keyLifetimeMs, uses: 1 };
    return usable;
  }

  #findOpened(wrapped: string): KeyObject | undefined {
    const entry = this.#opened.get(wrapped);
    if (!entry) return undefined;
    this.#opened.delete(wrapped);
    if (this.#now() >= entry.untilMs) return undefined;
    // Put back at the end: the map's order is the order of use.
    this.#opened.set(wrapped, entry);
    return entry.key;
  }

  #remember(wrapped: string, bytes: Buffer): KeyObject {
    const key = createSecretKey(bytes);
    bytes.fill(0);
    this.#opened.set(wrapped, { key, untilMs: this.#now() + this.#options.keyLifetimeMs });
    const [oldest] = this.#opened.keys();
    if (this.#opened.size > this.#options.maxOpened && oldest !== undefined) this.#opened.delete(oldest);
    return key;
  }

  #now(): number {
    return this.#options.clock.monotonicMs();
  }
}
