/** A marked secret, and the place where it was seen although it must not be there. */
export interface Leak {
  readonly canary: string;
  readonly place: string;
}

const maxLeaks = 20;

/** Looks for marked secrets and personal data in everything it is shown; remembers where it met which. */
export class CanaryWatch {
  readonly leaks: Leak[] = [];
  /** Characters looked through. */
  looked = 0;
  readonly #canaries = new Map<string, string>();
  readonly #tails = new Map<string, string>();
  #longest = 0;

  /** @param name what it is, to be reported instead of its value */
  guard(name: string, value: string): void {
    this.#canaries.set(value, name);
    this.#longest = Math.max(this.#longest, value.length);
  }

  get guarded(): number {
    return this.#canaries.size;
  }

  /** @param place where `text` was found */
  look(place: string, text: string): void {
    this.looked += text.length;
    for (const [value, canary] of this.#canaries) {
      if (this.leaks.length < maxLeaks && text.includes(value)) this.leaks.push({ canary, place });
    }
  }

  /** The next piece of a stream: what is torn between two pieces is found as well. */
  lookOn(place: string, chunk: string): void {
    const before = this.leaks.length;
    const tail = this.#tails.get(place) ?? '';
    this.look(place, tail + chunk);
    // what was found must not be found again in the next piece
    this.#tails.set(place, this.leaks.length > before ? '' : (tail + chunk).slice(1 - this.#longest));
  }
}
