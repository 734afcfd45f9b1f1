import type { CancelTask, TimerClock } from '../../timer-clock.js';
import { startLongTimer } from './long-timer.js';
import { isVaultAway, retryAfterMsOf } from './vault-away.js';

/** How long something is ours. */
export interface Tenure {
  /** 0 for ever. */
  readonly ttlMs: number;
  readonly renewable: boolean;
}

export type ReplaceReason = 'not-renewable' | 'no-longer-extends' | 'nearly-over' | 'refused' | 'asked';

/** What can be done about a lease or a token. */
export interface RenewalActions {
  /** @throws if it could not be prolonged; any definite answer leads to replacement */
  renew(): Promise<Tenure>;
  replace(reason: ReplaceReason): Promise<Tenure>;
  /** It is over and there is nothing in its place. */
  expired(): void;
  /** After every attempt, for logs and metrics. */
  observed?(attempt: RenewalAttempt): void;
}

export interface RenewalAttempt {
  readonly action: 'renew' | 'replace';
  readonly outcome: 'done' | 'failed';
  readonly error?: unknown;
  readonly nextInMs: number;
}

export interface RenewalOptions {
  readonly clock: TimerClock;
  /** Between 0 and 1, for jitter. */
  readonly random: () => number;
  /** Shortest time between two replacements. */
  readonly replaceFloorMs: number;
  /** When to act: long before the end, or at it, as for a static role whose password changes exactly then. */
  readonly dueAt?: 'two-thirds' | 'end';
}

export type RenewalState =
  | { readonly name: 'idle' }
  | { readonly name: 'permanent' }
  | { readonly name: 'held'; readonly expiresAtMs: number; readonly dueAtMs: number }
  | { readonly name: 'expired' }
  | { readonly name: 'stopped' };

const floorMs = 1000;
const backoffCeilingMs = 30_000;
/** Of the full time to live; with less left there is no more renewing. */
const replaceShare = 0.2;

/**
 * Keeps one lease or token alive: renews at two thirds of its time to live, replaces it when renewing no longer
 * helps, and backs off when Vault is away. Acts on one thing at a time.
 */
export class Renewal {
  readonly #actions: RenewalActions;
  readonly #options: RenewalOptions;
  #state: RenewalState = { name: 'idle' };
  #tenure: Tenure = { ttlMs: 0, renewable: false };
  /** Time to live when it was new; renewals near the end of its longest life give less. */
  #fullTtlMs = 0;
  #failures = 0;
  #replacedAtMs = -Infinity;
  #wanted: ReplaceReason | undefined;
  #isActing = false;
  #acting: Promise<void> = Promise.resolve();
  #isReplacing = false;
  #nextAtMs = 0;
  #cancelTimer: CancelTask = () => undefined;
  #cancelEnd: CancelTask = () => undefined;

  constructor(actions: RenewalActions, options: RenewalOptions) {
    this.#actions = actions;
    this.#options = options;
  }

  get state(): RenewalState {
    return this.#state;
  }

  /** Takes charge of something new. */
  begin(tenure: Tenure): void {
    if (this.#state.name === 'stopped') return;
    this.#replacedAtMs = this.#now();
    this.#fullTtlMs = tenure.ttlMs;
    this.#wanted = undefined;
    this.#failures = 0;
    this.#hold(tenure);
  }

  /**
   * Replaces it as soon as the floor allows; asking again meanwhile changes nothing. While a replacement is being made,
   * a refusal is about what is replaced already; whatever else is wanted is about the replacement too.
   * @returns in how many ms the next attempt begins: 0 while one is under way, infinite if there will be none
   */
  replaceSoon(reason: ReplaceReason): number {
    if (this.#state.name === 'stopped') return Number.POSITIVE_INFINITY;
    if (this.#isReplacing && reason === 'refused') return 0;
    if (this.#wanted === undefined) {
      this.#wanted = reason;
      if (!this.#isActing) this.#schedule(0);
    }
    if (this.#isReplacing) return 0;
    const atMs = this.#isActing ? this.#now() : this.#nextAtMs;
    return Math.max(0, atMs - this.#now(), this.#replacedAtMs + this.#options.replaceFloorMs - this.#now());
  }

  /** There is nothing yet: tries to get something, backing off. */
  acquire(failuresSoFar: number): void {
    this.#failures = failuresSoFar;
    this.#wanted = 'asked';
    if (!this.#isActing) this.#schedule(this.#backoffMs(undefined));
  }

  stop(): void {
    this.#cancelTimer();
    this.#cancelEnd();
    this.#state = { name: 'stopped' };
  }

  /** Resolves when no renewal or replacement is running. */
  settled(): Promise<void> {
    return this.#acting;
  }

  #hold(tenure: Tenure): void {
    this.#tenure = tenure;
    this.#cancelEnd();
    if (tenure.ttlMs === 0) {
      this.#cancelTimer();
      this.#state = { name: 'permanent' };
      return;
    }
    const delayMs = this.#dueInMs(tenure.ttlMs);
    this.#state = { name: 'held', expiresAtMs: this.#now() + tenure.ttlMs, dueAtMs: this.#now() + delayMs };
    this.#schedule(delayMs);
    // What is due at its end is not over there: only a failure to get the next one says so.
    if (this.#options.dueAt !== 'end') this.#awaitEnd();
  }

  /** Beside the attempts, which keep their distance: the end is noticed when it comes, not when the next one is due. */
  #awaitEnd(): void {
    this.#cancelEnd = startLongTimer(this.#options.clock, this.#remainingMs(), () => {
      // Either clock may say that it is over, and only one of them decides.
      if (this.#remainingMs() > 0) this.#awaitEnd();
      // An attempt that is under way may yet prolong it; if it fails it says so itself.
      else if (!this.#isActing) this.#noticeExpiry();
    });
  }

  #dueInMs(ttlMs: number): number {
    const { dueAt = 'two-thirds', random } = this.#options;
    if (dueAt === 'end') return ttlMs + floorMs * random();
    return Math.max(floorMs, ttlMs * (2 / 3 + (random() - 0.5) / 10));
  }

  #schedule(delayMs: number): void {
    this.#cancelTimer();
    if (this.#state.name === 'stopped') return;
    this.#nextAtMs = this.#now() + delayMs;
    this.#cancelTimer = startLongTimer(this.#options.clock, delayMs, () => {
      void this.#act();
    });
  }

  /** Never rejects: every failure ends in the next attempt. */
  async #act(): Promise<void> {
    if (this.#isActing || this.#state.name === 'stopped') return;
    const reason = this.#reasonToReplace();
    const waitMs = reason === undefined ? 0 : this.#replacedAtMs + this.#options.replaceFloorMs - this.#now();
    if (waitMs > 0) {
      this.#noticeExpiry();
      this.#schedule(waitMs);
      return;
    }
    this.#isActing = true;
    this.#acting = reason === undefined ? this.#renew() : this.#replace(reason);
    try {
      await this.#acting;
    } finally {
      this.#isActing = false;
    }
  }

  #reasonToReplace(): ReplaceReason | undefined {
    if (this.#wanted !== undefined) return this.#wanted;
    if (!this.#tenure.renewable) return 'not-renewable';
    return this.#remainingMs() <= this.#fullTtlMs * replaceShare ? 'nearly-over' : undefined;
  }

  async #renew(): Promise<void> {
    const remainingMs = this.#remainingMs();
    try {
      const tenure = await this.#actions.renew();
      this.#failures = 0;
      if (this.#isStopped()) return;
      // Less than a twentieth gained: it is at the end of its longest life, or was cut short.
      const hasGained =
        tenure.ttlMs === 0 || tenure.ttlMs - remainingMs >= Math.max(floorMs, this.#fullTtlMs / 20);
      this.#hold(tenure);
      if (!hasGained) this.#wanted ??= 'no-longer-extends';
      // Also what was asked for while this renewal was running.
      if (this.#wanted !== undefined) this.#schedule(0);
      this.#observe('renew', 'done');
    } catch (error) {
      if (this.#isStopped()) return;
      if (!isVaultAway(error)) this.#wanted = 'refused';
      this.#retry('renew', error, isVaultAway(error) ? this.#backoffMs(error) : 0);
    }
  }

  async #replace(reason: ReplaceReason): Promise<void> {
    this.#wanted = undefined;
    this.#isReplacing = true;
    try {
      const tenure = await this.#actions.replace(reason);
      if (this.#isStopped()) return;
      const wanted = this.#wantedMeanwhile();
      this.begin(tenure);
      this.#wanted = wanted;
      if (wanted !== undefined) this.#schedule(0);
      this.#observe('replace', 'done');
    } catch (error) {
      if (this.#isStopped()) return;
      this.#wanted = reason;
      // Something was answered, perhaps even made: the floor applies as if it had worked.
      if (!isVaultAway(error)) this.#replacedAtMs = this.#now();
      this.#retry('replace', error, this.#backoffMs(error));
    } finally {
      this.#isReplacing = false;
    }
  }

  #wantedMeanwhile(): ReplaceReason | undefined {
    return this.#wanted;
  }

  #retry(action: 'renew' | 'replace', error: unknown, nextInMs: number): void {
    this.#failures += 1;
    this.#noticeExpiry();
    this.#schedule(nextInMs);
    this.#actions.observed?.({ action, outcome: 'failed', error, nextInMs });
  }

  #observe(action: 'renew' | 'replace', outcome: 'done'): void {
    const nextInMs = this.#state.name === 'held' ? this.#state.dueAtMs - this.#now() : 0;
    this.#actions.observed?.({ action, outcome, nextInMs });
  }

  #noticeExpiry(): void {
    if (this.#state.name !== 'held' || this.#remainingMs() > 0) return;
    this.#state = { name: 'expired' };
    this.#actions.expired();
  }

  #backoffMs(error: unknown): number {
    const exponentialMs = Math.min(floorMs * 2 ** Math.min(this.#failures, 10), backoffCeilingMs);
    const jitteredMs = exponentialMs * (0.75 + this.#options.random() / 2);
    return Math.max(floorMs, jitteredMs, retryAfterMsOf(error) ?? 0);
  }

  #remainingMs(): number {
    return this.#state.name === 'held' ? this.#state.expiresAtMs - this.#now() : 0;
  }

  #isStopped(): boolean {
    return this.#state.name === 'stopped';
  }

  #now(): number {
    return this.#options.clock.monotonicMs();
  }
}
