import { hasReached, type WalPosition } from './wal-position.js';

interface Sample {
  readonly position: WalPosition;
  readonly askedAtMs: number;
}

const maxSamples = 128;

/**
 * Tells how old what a replica shows may be, from where the primary stood at known moments. What replicas say of their own
 * lag cannot be used: one that has lost its primary believes that it has replayed everything there is.
 */
export class LagTracker {
  /** Newest first. */
  #samples: Sample[] = [];

  /** Notes where the primary stands. @param askedAtMs a moment before it answered */
  note(position: WalPosition, askedAtMs: number): void {
    const [newest] = this.#samples;
    if (newest && askedAtMs <= newest.askedAtMs) return;
    this.#samples = [{ position, askedAtMs }, ...this.#samples.slice(0, maxSamples - 1)];
  }

  /**
   * An upper bound of the age of what a node shows that has replayed up to `replayed`: everything that was committed
   * longer ago is in it. Infinite if nothing is known.
   */
  lagMs(replayed: WalPosition, nowMs: number): number {
    const reached = this.#samples.find(({ position }) => hasReached(replayed, position));
    return reached ? nowMs - reached.askedAtMs : Number.POSITIVE_INFINITY;
  }
}
