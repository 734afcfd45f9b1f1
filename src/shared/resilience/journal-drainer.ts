import { outsideRequest } from '../logging/request-context.js';
import { EventHub } from './event-hub.js';
import { DrainBackoff } from './journal/drain-backoff.js';
import type { DrainerOptions, DrainEvent, DrainState, Stall } from './journal/drain-options.js';
import { DrainPace } from './journal/drain-pace.js';
import { EntryAttempt } from './journal/entry-attempt.js';
import { EntryHolds } from './journal/entry-holds.js';
import { InterruptibleWait } from './journal/interruptible-wait.js';
import type { SealedEntry } from './journal/journal-entry.js';
import { StreamSchedule } from './journal/stream-schedule.js';
import { settlesWithin } from './settles-within.js';

const defaultConcurrency = 8;
const defaultBackoff = { baseMs: 200, maxMs: 30_000 };
/** Entries that are read at a time: enough to keep every place busy, few enough to hold their payloads. */
const pageSize = 64;
/** What an aborted `apply` gets to come to its end. */
const abortGraceMs = 500;

interface Stop {
  readonly error: unknown;
}

/**
 * Takes entries out of a journal and has them applied: one after the other within a stream, streams beside each other.
 * One drain runs at a time, however often it is woken.
 *
 * Unavailable dependencies stop the whole drain: it tries again after a wait that doubles, with full jitter, or when it
 * is woken, and then with a single entry first, so that a recovery is not met by everything at once.
 *
 * An entry that fails otherwise is tried again after waits that double, its stream waiting and the others going on. It is
 * parked once it is at fault: see `FaultFinder`. While nothing says so it stays queued, and where nothing but failures
 * comes of it the whole drain waits: what all have in common can be mended, and then nobody has to requeue anything. After
 * an entry was parked its stream goes on: as every write is checked again when it is applied, a later one that builds on
 * the parked one is refused by that check with its own problem, and one that does not need it is not held up until
 * somebody looks (design/resilience.md: "a poison entry is parked with its status readable, the others proceed"). A requeued
 * entry is likewise checked against what has happened since. Only what founds its stream takes the rest of it along:
 * nothing of that can be right without it.
 */
export class JournalDrainer {
  readonly events = new EventHub<DrainEvent>();
  readonly #options: DrainerOptions;
  readonly #concurrency: number;
  readonly #backoff: DrainBackoff;
  readonly #pace: DrainPace;
  readonly #waits: InterruptibleWait;
  readonly #attempt: EntryAttempt;
  readonly #abort = new AbortController();
  readonly #schedule: StreamSchedule;
  readonly #holds = new EntryHolds();
  #run: Promise<void> | undefined;
  #isWoken = false;
  #hasNews = false;
  #knock = Promise.withResolvers<undefined>();
  #isPaused = false;
  #isClosed = false;
  #isAbandoned = false;
  #stop: Stop | undefined;

  constructor(options: DrainerOptions) {
    this.#options = options;
    this.#concurrency = options.concurrency ?? defaultConcurrency;
    if (!(this.#concurrency >= 1)) throw new RangeError('A drain needs a concurrency of 1 or more');
    const { clock, random = Math.random, backoff = defaultBackoff } = options;
    this.#backoff = new DrainBackoff({ clock, random, ...backoff });
    this.#pace = new DrainPace(options.maxPerSecond ?? Infinity, options.clock);
    this.#waits = new InterruptibleWait(options.clock);
    this.#attempt = new EntryAttempt(options, this.events);
    this.#schedule = new StreamSchedule(options.journal, clock, () => {
      this.#knock.resolve(undefined);
    });
    this.events.subscribe(({ type }) => {
      // it may have taken others along that were fetched before
      if (type === 'parked') this.reconsider();
    });
  }

  /** Why entries are kept that fail again and again; undefined while that is not so. */
  get stall(): Stall | undefined {
    return this.#attempt.faults.stall;
  }

  get state(): DrainState {
    if (this.#isClosed) return { name: 'closed' };
    if (this.#run) return { name: 'draining', inFlight: this.#holds.inFlight.size };
    if (this.#isPaused) return { name: 'paused' };
    const { failures, waitingMs } = this.#backoff;
    return waitingMs === undefined
      ? { name: 'idle' }
      : { name: 'backing-off', failures, retryInMs: waitingMs };
  }

  /** A dependency may be back: tries at once, whatever wait it cuts short. */
  wake(): void {
    this.#schedule.forgive();
    this.#retry();
  }

  #retry(): void {
    this.#isWoken = true;
    this.#backoff.cancel();
    this.#start();
  }

  /** Something was queued: begins unless it waits for a dependency to come back, which one more entry does not bring. */
  notice(): void {
    this.#hasNews = true;
    if (this.#backoff.waitingMs === undefined) this.#start();
  }

  /** Somebody waits for what is queued in this stream: it is drained before others. */
  prefer(stream: string): void {
    this.#schedule.prefer(stream);
  }

  /** Entries were put back to their places in the queue, or taken out: what was fetched and not begun is fetched anew. */
  reconsider(): void {
    this.#schedule.reconsider();
  }

  /** Takes nothing more. Resolves when what was under way has ended. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    this.#backoff.cancel();
    this.#interrupt();
    await this.#run;
  }

  resume(): void {
    this.#isPaused = false;
    this.wake();
  }

  /**
   * Keeps an entry from being applied while `remove` takes it out of the queue, and afterwards unless `remove` throws.
   * @param remove resolves to the entry
   * @throws {ConflictError} `journal_entry_busy` if it is being applied: what comes of that cannot be stopped any more
   */
  async withhold(id: string, remove: () => Promise<SealedEntry>): Promise<void> {
    await this.#holds.withhold(id, async () => {
      try {
        const entry = await remove();
        this.#attempt.faults.forget(entry);
        this.events.publish({ type: 'dropped', entry });
      } finally {
        // also when it failed: nobody knows what is in the journal then
        this.reconsider();
      }
    });
  }

  /**
   * Takes nothing more and waits for what is under way; after `graceMs` tells it to give up, and soon after that leaves
   * it alone. Entries left alone stay queued.
   */
  async close(graceMs = 5_000): Promise<void> {
    this.#isClosed = true;
    this.#backoff.cancel();
    this.#interrupt();
    if (await this.#endsWithin(graceMs)) return;
    this.#abort.abort();
    if (await this.#endsWithin(abortGraceMs)) return;
    this.#isAbandoned = true;
    for (const entry of this.#holds.inFlight) this.events.publish({ type: 'abandoned', entry });
  }

  #start(): void {
    this.#knock.resolve(undefined);
    if (!this.#isHalted()) this.#run ??= outsideRequest(() => this.#drain());
  }

  async #drain(): Promise<void> {
    let stop: Stop | undefined;
    do {
      this.#isWoken = false;
      this.#hasNews = false;
      stop = await this.#drainOnce();
      if (stop) this.#backoff.fail();
    } while (this.#isCalledAgain(stop));
    this.#run = undefined;
    if (stop) this.#backOff(stop.error);
  }

  #isCalledAgain(stop: Stop | undefined): boolean {
    return !this.#isHalted() && (this.#isWoken || (this.#hasNews && !stop));
  }

  /** Until nothing is queued, or something says to stop. @returns what did */
  async #drainOnce(): Promise<Stop | undefined> {
    this.#stop = undefined;
    const schedule = this.#schedule;
    while (!this.#mustStop()) {
      this.#knock = Promise.withResolvers();
      const { ends } = schedule;
      const hasFetched = await this.#fetch();
      while (schedule.hasFetched && this.#hasPlace() && !this.#mustStop()) {
        schedule.begin((entries) => this.#drainStream(entries));
      }
      if (schedule.busy === 0 && !schedule.isWaiting) {
        if (ends === schedule.ends) break;
        // a stream has ended since this was asked: its rest may be to be had now
        continue;
      }
      if (!hasFetched || !this.#hasPlace()) await Promise.race([...schedule.underWay, this.#knock.promise]);
    }
    await Promise.all(schedule.underWay);
    schedule.dropFetched();
    if (!this.#mustStop()) this.events.publish({ type: 'emptied' });
    return this.#stop;
  }

  /** @returns whether there was anything */
  async #fetch(): Promise<boolean> {
    if (this.#schedule.hasFetched || !this.#hasPlace()) return false;
    try {
      return await this.#schedule.fetch(this.#isProbing() ? 1 : pageSize);
    } catch (error) {
      this.#halt(error);
      return false;
    }
  }

  /** Ends early with an entry that stays queued: what comes after it waits. */
  async #drainStream(entries: readonly SealedEntry[]): Promise<void> {
    const { epoch } = this.#schedule;
    for (const entry of entries) {
      if (!(await this.#isDone(entry, epoch)) || epoch !== this.#schedule.epoch) return;
    }
  }

  /** @returns whether the entry has left the queue */
  async #isDone(entry: SealedEntry, epoch: number): Promise<boolean> {
    await this.#waitUnless(this.#pace.takeMs());
    if (this.#mustStop()) return false;
    const decision = this.#holds.decisionOn(entry);
    if (decision) await decision;
    if (epoch !== this.#schedule.epoch) return false;
    const result = await this.#holds.apply(entry, () =>
      this.#attempt.run(entry, this.#abort.signal, {
        isAbandoned: () => this.#isAbandoned,
        isOutdated: () => epoch !== this.#schedule.epoch,
      }),
    );
    switch (result.kind) {
      case 'unavailable':
        this.#schedule.putLast(entry.stream);
        this.#halt(result.error);
        return false;
      case 'failed':
        this.#schedule.delay(entry.stream, this.#backoff.delayMs(result.attempts));
        if (this.#attempt.faults.isCommon) this.#halt(result.error);
        if (this.#mustStop()) this.#schedule.stopWaiting();
        return false;
      case 'abandoned':
      case 'outdated':
        return false;
      case 'settled':
        this.#backoff.succeed();
        return true;
    }
  }

  #halt(error: unknown): void {
    this.#stop ??= { error };
    this.#interrupt();
  }

  #interrupt(): void {
    this.#waits.interrupt();
    this.#schedule.stopWaiting();
    this.#knock.resolve(undefined);
  }

  #backOff(error: unknown): void {
    const { failures } = this.#backoff;
    const retryInMs = this.#backoff.delayMs();
    this.events.publish({ type: 'unavailable', error, failures, retryInMs });
    if (this.#isHalted() || this.#run) return;
    this.#backoff.wait(retryInMs, () => {
      this.#retry();
    });
  }

  async #waitUnless(delayMs: number): Promise<void> {
    if (delayMs > 0 && !this.#mustStop()) await this.#waits.wait(delayMs);
  }

  async #endsWithin(graceMs: number): Promise<boolean> {
    return this.#run ? settlesWithin(this.#run, graceMs, this.#options.clock) : true;
  }

  #isProbing(): boolean {
    return this.#backoff.failures > 0;
  }

  #hasPlace(): boolean {
    return this.#schedule.busy < (this.#isProbing() ? 1 : this.#concurrency);
  }

  #isHalted(): boolean {
    return this.#isPaused || this.#isClosed;
  }

  #mustStop(): boolean {
    return this.#stop !== undefined || this.#isHalted();
  }
}
