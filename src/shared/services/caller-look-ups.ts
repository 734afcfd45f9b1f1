import { systemTimerClock, type TimerClock } from '../timer-clock.js';
import { CallerMemory, type Remembered } from './caller-memory.js';
import { isActive, parseCallerRecord } from './caller-record.js';
import { LaneFullError, LookUpLane } from './look-up-lane.js';
import type { Secret } from './vault/secret.js';
import { describeFailure } from './vault/vault-away.js';
import { VaultError } from './vault/vault-error.js';
import { noMetrics, type VaultLog, type VaultMetrics } from './vault/vault-ports.js';

/** Where the records of callers are; Vault's `SecretStore` is one. */
export interface CallerRecords {
  /**
   * @returns undefined only if it is certain that there is none
   * @throws {VaultError} `unreadable` if this one cannot be read, though others can
   */
  find(id: string): Promise<Secret | undefined>;
}

export interface CallerLookUpsOptions {
  readonly records: CallerRecords;
  readonly log: VaultLog;
  readonly metrics?: VaultMetrics;
  readonly clock?: TimerClock;
  /** What every look-up goes through: a breaker, which takes a record that cannot be understood for an answer. */
  readonly guard?: <T>(lookUp: () => Promise<T>) => Promise<T>;
}

/**
 * Why a caller is looked up: `known` has a record, whose time is over or which made no sense; `changed` shows a key that
 * its record, which still counts, does not have; `unknown` had no record, or was never looked up.
 */
export type LookUpReason = 'known' | 'changed' | 'unknown';

/** How long a record counts after it was read. An outage does not extend it. */
export const validityMs = 30_000;
/** What does not let a caller in is looked up afresh if it is older: it may have changed meanwhile. */
export const recheckMs = 1_000;
/** One that stays unreadable is told again after so long, however often it is called by. */
const alarmIntervalMs = 60_000;

/** Of the 64 places of the breakers behind it, these leave some free for whatever else asks Vault about callers. */
const lanes = {
  known: { places: 40, maxWaiting: 1_000, maxWaitMs: 2_000 },
  changed: { places: 8, maxWaiting: 128, maxWaitMs: 500, worthless: { burst: 100, perSecond: 10 } },
  unknown: { places: 8, maxWaiting: 128, maxWaitMs: 500, worthless: { burst: 100, perSecond: 10 } },
} as const;

/**
 * Looks callers up, and remembers them for a bounded time. Callers that were found before have a lane that no others
 * can fill: made-up ids and made-up secrets, which cost their senders nothing, share a bounded part of Vault.
 */
export class CallerLookUps {
  readonly #options: CallerLookUpsOptions;
  readonly #clock: TimerClock;
  readonly #metrics: VaultMetrics;
  readonly #memory = new CallerMemory();
  readonly #flights = new Map<string, Promise<Remembered>>();
  readonly #lanes: Readonly<Record<LookUpReason, LookUpLane>>;
  #newestActiveAtMs = -Infinity;
  #refusalToldAtMs = -Infinity;

  constructor(options: CallerLookUpsOptions) {
    this.#options = options;
    const clock = options.clock ?? systemTimerClock;
    this.#clock = clock;
    this.#metrics = options.metrics ?? noMetrics;
    this.#lanes = {
      known: new LookUpLane(lanes.known, clock),
      changed: new LookUpLane(lanes.changed, clock),
      unknown: new LookUpLane(lanes.unknown, clock),
    };
  }

  /** Whether some caller would be let in without asking. */
  get remembersAny(): boolean {
    return this.#clock.monotonicMs() - this.#newestActiveAtMs < validityMs;
  }

  /** What is remembered of a caller, if it was read less than `maxAgeMs` ago. */
  recall(id: string, maxAgeMs: number): Remembered | undefined {
    const remembered = this.#memory.find(id);
    return remembered && this.#ageMs(remembered) < maxAgeMs ? remembered : undefined;
  }

  /**
   * What Vault says, or has said so lately that asking again would be of no use.
   * @throws {LaneFullError} if there is no room for it, or whatever keeps Vault from being asked
   */
  async freshEnough(id: string): Promise<Remembered> {
    return this.recall(id, recheckMs) ?? this.#lookUp(id, this.#reasonFor(id));
  }

  /** The same for a caller that is certainly no made-up one. @throws likewise */
  async freshEnoughOfKnown(id: string): Promise<Remembered> {
    return this.recall(id, recheckMs) ?? this.#lookUp(id, 'known');
  }

  #reasonFor(id: string): LookUpReason {
    const remembered = this.#memory.find(id);
    if (!remembered || remembered.kind === 'absent') return 'unknown';
    const isChanged = remembered.kind === 'found' && this.#ageMs(remembered) < validityMs;
    return isChanged ? 'changed' : 'known';
  }

  /** Requests that want the same caller at the same time share one look-up, its place and its outcome. */
  #lookUp(id: string, reason: LookUpReason): Promise<Remembered> {
    const running = this.#flights.get(id);
    if (running) return running;
    const flight = this.#inLane(id, reason).finally(() => {
      this.#flights.delete(id);
    });
    this.#flights.set(id, flight);
    return flight;
  }

  async #inLane(id: string, reason: LookUpReason): Promise<Remembered> {
    const before = this.#memory.find(id);
    const guard = this.#options.guard ?? ((lookUp) => lookUp());
    try {
      const found = await this.#lanes[reason].run(
        () => guard(() => this.#read(id)),
        (remembered) => isNews(before, remembered),
      );
      this.#count(reason, found.kind);
      return found;
    } catch (error) {
      this.#count(reason, error instanceof LaneFullError ? 'refused' : 'failed');
      if (error instanceof LaneFullError) this.#tellRefusal(reason);
      throw error;
    }
  }

  async #read(id: string): Promise<Remembered> {
    // Taken before asking: the answer may be as old as the question.
    const readAtMs = this.#clock.monotonicMs();
    const remembered = await this.#ask(id, readAtMs);
    this.#memory.keep(id, remembered);
    if (remembered.kind === 'found' && this.#canLetIn(remembered)) this.#newestActiveAtMs = readAtMs;
    return remembered;
  }

  async #ask(id: string, readAtMs: number): Promise<Remembered> {
    const { records, log } = this.#options;
    try {
      const secret = await records.find(id);
      if (!secret) return { kind: 'absent', readAtMs };
      const record = parseCallerRecord(id, secret.reveal());
      return record
        ? { kind: 'found', record, version: secret.version, readAtMs }
        : this.#unreadable(id, readAtMs, { failure: 'makes_no_sense' });
    } catch (error) {
      const failure = describeFailure(error);
      if (error instanceof VaultError && error.failure === 'unreadable') {
        return this.#unreadable(id, readAtMs, failure);
      }
      log.error('Callers cannot be identified', failure);
      throw error;
    }
  }

  /** That caller alone is concerned, but cannot find out why: this alarm tells an operator. */
  #unreadable(id: string, readAtMs: number, failure: Readonly<Record<string, unknown>>): Remembered {
    const before = this.#memory.find(id);
    const toldAtMs = before?.kind === 'unreadable' ? before.alarmedAtMs : -Infinity;
    const isDue = readAtMs - toldAtMs >= alarmIntervalMs;
    this.#metrics.count('vault_security_events_total', { event: 'caller_record_unreadable' });
    if (isDue) {
      this.#options.log.error('The record of a caller cannot be used: that caller is refused', {
        callerId: id,
        ...failure,
      });
    }
    return { kind: 'unreadable', readAtMs, alarmedAtMs: isDue ? readAtMs : toldAtMs };
  }

  #tellRefusal(reason: LookUpReason): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#refusalToldAtMs < alarmIntervalMs) return;
    this.#refusalToldAtMs = nowMs;
    this.#options.log.warn('Too many callers have to be looked up: some are refused without', { reason });
  }

  #canLetIn({ record }: Extract<Remembered, { kind: 'found' }>): boolean {
    const now = this.#clock.now();
    return record.keys.some((key) => isActive(key, now));
  }

  #count(reason: LookUpReason, outcome: string): void {
    this.#metrics.count('caller_look_ups_total', { reason, outcome });
  }

  #ageMs({ readAtMs }: Remembered): number {
    return this.#clock.monotonicMs() - readAtMs;
  }
}

/** Whether it was worth asking: there is a record, and it is another one than before. */
function isNews(before: Remembered | undefined, found: Remembered): boolean {
  if (found.kind !== 'found') return false;
  return before?.kind !== 'found' || before.version !== found.version;
}
