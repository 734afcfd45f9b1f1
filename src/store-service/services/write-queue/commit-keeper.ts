import type { ReplicationStatus } from '../../../shared/database/replication-status.js';
import { outsideRequest } from '../../../shared/logging/request-context.js';
import type { CommitPosition } from '../../../shared/resilience/journal/journal-entry.js';
import { settlesWithin } from '../../../shared/resilience/settles-within.js';
import type { WriteJournal } from '../../../shared/resilience/write-journal.js';
import type { CancelTask, TimerClock } from '../../../shared/timer-clock.js';
import { QueuedWritesAheadError } from './queued-writes-ahead-error.js';
import { toCommitPosition } from './write-replay.js';

export interface CommitKeeperOptions {
  readonly journal: Pick<WriteJournal, 'confirm' | 'redrive' | 'stats'>;
  readonly replication: () => ReplicationStatus;
  readonly clock: TimerClock;
  /** Told at once that entries are about to be put back to their places in the queue. */
  readonly onRedrive: () => void;
  /** Told that they are there, and how many they were. */
  readonly onRedriven: (count: number) => void;
  /** Told up to where no failover undoes anything any more. */
  readonly onConfirmed: (upTo: CommitPosition) => void;
  readonly onFailure: (error: unknown) => void;
}

/** How often it is looked whether standbys have what was committed. */
const confirmIntervalMs = 1_000;
/** Longest wait for the disk: whoever waits may hold a connection. */
const settleMs = 1_000;

/**
 * Watches over writes that are committed and that a failover could still undo: forgets them once every standby has
 * them, and on a new timeline has all others carried out again. Those that outlived the failover are recognised then.
 */
export class CommitKeeper {
  readonly #options: CommitKeeperOptions;
  #timeline = 0;
  /** Redrives that were found to be needed, and those that are done. */
  #wanted = 0;
  #done = 0;
  #redriving: Promise<void> | undefined;
  /** What lies behind it is known to be confirmed. */
  #confirmedLsn = -1;
  #mayHoldMore = true;
  #cancelTimer: CancelTask = () => undefined;
  #isStopped = false;

  constructor(options: CommitKeeperOptions) {
    this.#options = options;
    this.#schedule();
  }

  /** Goes up with every redrive. Whoever begins with one value and meets another has to look at the queue again. */
  get epoch(): number {
    return this.#wanted;
  }

  /** Looks at what replication says now. To be called, without delay, whenever the cluster has a new state. */
  learn(): void {
    const status = this.#options.replication();
    if (status.kind === 'unknown' || status.timeline <= this.#timeline) return;
    this.#timeline = status.timeline;
    this.#confirmedLsn = -1;
    this.#want();
  }

  /** Something was committed that is not confirmed; perhaps on a primary that had been replaced by then. */
  notice(position: CommitPosition): void {
    this.#mayHoldMore = true;
    this.#confirmedLsn = Math.min(this.#confirmedLsn, position.lsn - 1);
    if (position.timeline < this.#timeline) this.#want();
  }

  /** Whether it was committed on a primary that had been replaced: what is on its way back to the queue lacks it. */
  isOutdated({ timeline }: Pick<CommitPosition, 'timeline'>): boolean {
    return timeline < this.#timeline;
  }

  /** Whether nothing that a failover may have undone is on its way back to the queue. */
  get isSettled(): boolean {
    return this.#done === this.#wanted;
  }

  /**
   * Resolves when everything that the last failover may have undone is in the queue again.
   * @throws {QueuedWritesAheadError} if the disk does not allow that, or is slow: nothing may overtake what is missing
   */
  async settled(): Promise<void> {
    if (this.#redriving) await settlesWithin(this.#redriving, settleMs, this.#options.clock);
    if (!this.isSettled) throw new QueuedWritesAheadError();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer();
  }

  #want(): void {
    this.#wanted += 1;
    this.#options.onRedrive();
    this.#redrive();
  }

  #redrive(): void {
    this.#redriving ??= outsideRequest(() => this.#queueUndone()).finally(() => {
      this.#redriving = undefined;
    });
  }

  async #queueUndone(): Promise<void> {
    const { journal, onRedriven, onFailure } = this.#options;
    while (!this.isSettled) {
      const [wanted, timeline] = [this.#wanted, this.#timeline];
      try {
        const count = await journal.redrive(
          (entry) => entry.state === 'applied' && (entry.position?.timeline ?? 0) < timeline,
        );
        this.#done = wanted;
        onRedriven(count);
      } catch (error) {
        // it stays wanted, and nothing is confirmed before
        onFailure(error);
        return;
      }
    }
  }

  #schedule(): void {
    this.#cancelTimer = this.#options.clock.after(confirmIntervalMs, () => {
      void this.#look().finally(() => {
        if (!this.#isStopped) this.#schedule();
      });
    });
  }

  async #look(): Promise<void> {
    this.learn();
    if (!this.isSettled) this.#redrive();
    await this.#redriving;
    const upTo = this.#safePosition();
    if (!this.isSettled || !upTo || !this.#mayHoldMore || upTo.lsn <= this.#confirmedLsn) return;
    const { journal, onConfirmed, onFailure } = this.#options;
    try {
      this.#mayHoldMore = false;
      await journal.confirm(upTo);
      this.#confirmedLsn = upTo.lsn;
      onConfirmed(upTo);
      // what was noticed meanwhile counts as well
      this.#mayHoldMore ||= (await journal.stats()).unconfirmed > 0;
    } catch (error) {
      this.#mayHoldMore = true;
      onFailure(error);
    }
  }

  /** Up to where no failover takes anything away. */
  #safePosition(): CommitPosition | undefined {
    const status = this.#options.replication();
    switch (status.kind) {
      case 'unknown':
        return undefined;
      case 'asynchronous':
        return status.replayed && toCommitPosition(status.replayed);
      case 'none':
      case 'synchronous':
        return { timeline: status.timeline, lsn: Number.MAX_SAFE_INTEGER };
    }
  }
}
