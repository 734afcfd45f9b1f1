import { OverloadedError } from '../../errors/app-error.js';

export interface ConcurrencyLimits {
  /** Requests in work at once, of all callers. */
  readonly max: number;
  /** Requests of one caller, in work or still arriving. */
  readonly maxPerCaller: number;
}

/**
 * Bounds the requests in work: of one caller, so that no other pays for it; of all callers who are not known, so that those
 * who are known have half of all places for themselves; and of all.
 */
export class ConcurrencyGate {
  readonly #places: Places;

  constructor(limits: ConcurrencyLimits) {
    this.#places = new Places(limits);
  }

  /** Requests in work, and callers that have any in work or arriving. */
  get load(): { readonly active: number; readonly callers: number } {
    return { active: this.#places.active, callers: this.#places.callers };
  }

  /**
   * @param isKnown whether the caller was verified before
   * @throws {OverloadedError} if there is no place; then nothing has to be left
   */
  enter(caller: string, isKnown: boolean): Slot {
    this.#places.take(caller);
    try {
      this.#places.begin(isKnown);
    } catch (error) {
      this.#places.give(caller);
      throw error;
    }
    return new Slot(this.#places, caller, isKnown);
  }
}

/** The place of one request; it must be left, however the request ends. */
export class Slot {
  readonly #places: Places;
  #caller: string;
  #isKnown: boolean;
  #state: 'in work' | 'arriving' | 'left' = 'in work';

  constructor(places: Places, caller: string, isKnown: boolean) {
    this.#places = places;
    this.#caller = caller;
    this.#isKnown = isKnown;
  }

  /** Counts the request for a caller that was verified. @throws {OverloadedError} if that one has its share already */
  moveTo(caller: string): void {
    if (this.#state !== 'in work') return;
    if (caller !== this.#caller) {
      this.#places.take(caller);
      this.#places.give(this.#caller);
      this.#caller = caller;
    }
    if (!this.#isKnown) {
      this.#isKnown = true;
      this.#places.unknown -= 1;
    }
  }

  /**
   * Runs what only the caller can speed up: meanwhile the request counts against its caller alone.
   * @throws {OverloadedError} if there is no place for it afterwards
   */
  async whileArriving<T>(arrive: () => Promise<T>): Promise<T> {
    if (this.#state !== 'in work') return arrive();
    this.#places.end(this.#isKnown);
    this.#state = 'arriving';
    const result = await arrive();
    this.#resume();
    return result;
  }

  leave(): void {
    if (this.#state === 'left') return;
    if (this.#state === 'in work') this.#places.end(this.#isKnown);
    this.#places.give(this.#caller);
    this.#state = 'left';
  }

  #resume(): void {
    if (this.#state !== 'arriving') return;
    this.#places.begin(this.#isKnown);
    this.#state = 'in work';
  }
}

class Places {
  active = 0;
  unknown = 0;
  readonly #max: number;
  readonly #maxUnknown: number;
  readonly #maxPerCaller: number;
  readonly #byCaller = new Map<string, number>();

  constructor({ max, maxPerCaller }: ConcurrencyLimits) {
    this.#max = max;
    this.#maxUnknown = Math.ceil(max / 2);
    this.#maxPerCaller = Math.min(maxPerCaller, max);
  }

  get callers(): number {
    return this.#byCaller.size;
  }

  begin(isKnown: boolean): void {
    if (this.active >= this.#max || (!isKnown && this.unknown >= this.#maxUnknown)) {
      throw new OverloadedError('Too many requests are being worked on');
    }
    this.active += 1;
    if (!isKnown) this.unknown += 1;
  }

  end(isKnown: boolean): void {
    this.active -= 1;
    if (!isKnown) this.unknown -= 1;
  }

  take(caller: string): void {
    const count = this.#byCaller.get(caller) ?? 0;
    if (count >= this.#maxPerCaller) {
      throw new OverloadedError('Too many requests of this caller are being worked on, or still arriving');
    }
    this.#byCaller.set(caller, count + 1);
  }

  give(caller: string): void {
    const count = this.#byCaller.get(caller) ?? 0;
    if (count > 1) this.#byCaller.set(caller, count - 1);
    else this.#byCaller.delete(caller);
  }
}
