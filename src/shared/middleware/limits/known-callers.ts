import { hash } from 'node:crypto';
import { systemTimerClock, type TimerClock } from '../../timer-clock.js';

export interface KnownCallersOptions {
  /** For how long a credential counts as known after it was verified. */
  readonly memoryMs?: number;
  readonly maxCredentials?: number;
  readonly clock?: Pick<TimerClock, 'monotonicMs'>;
}

interface Known {
  readonly caller: string;
  readonly verifiedAtMs: number;
}

const defaultMemoryMs = 60 * 60 * 1000;
const defaultMaxCredentials = 10_000;
/** Verified again within this share of its time, an entry is left as it is. */
const renewalShare = 0.1;

/**
 * Which credentials were good lately, and whose they were: enough to tell a regular caller from a stranger before it is
 * asked who that is. It lets no caller in, and holds hashes only.
 */
export class KnownCallers {
  readonly #memoryMs: number;
  readonly #maxCredentials: number;
  readonly #clock: Pick<TimerClock, 'monotonicMs'>;
  /** By the hash of the credential, in the order of verification. */
  readonly #known = new Map<string, Known>();

  constructor({
    memoryMs = defaultMemoryMs,
    maxCredentials = defaultMaxCredentials,
    clock = systemTimerClock,
  }: KnownCallersOptions = {}) {
    this.#memoryMs = memoryMs;
    this.#maxCredentials = maxCredentials;
    this.#clock = clock;
  }

  get size(): number {
    return this.#known.size;
  }

  /** Names a credential without telling it. */
  static nameOf(credential: string): string {
    return hash('sha256', credential, 'base64');
  }

  /** @param name as `nameOf` gives it */
  find(name: string): string | undefined {
    const known = this.#known.get(name);
    return known && this.#ageMs(known) < this.#memoryMs ? known.caller : undefined;
  }

  remember(name: string, caller: string): void {
    const known = this.#known.get(name);
    if (known?.caller === caller && this.#ageMs(known) < this.#memoryMs * renewalShare) return;
    this.#known.delete(name);
    this.#known.set(name, { caller, verifiedAtMs: this.#clock.monotonicMs() });
    const [oldest] = this.#known.keys();
    if (this.#known.size > this.#maxCredentials && oldest !== undefined) this.#known.delete(oldest);
  }

  forget(name: string): void {
    this.#known.delete(name);
  }

  #ageMs({ verifiedAtMs }: Known): number {
    return this.#clock.monotonicMs() - verifiedAtMs;
  }
}
