import type { DrainEvent } from '../../../shared/resilience/journal/drain-options.js';
import type { WriteJournal } from '../../../shared/resilience/write-journal.js';
import { isDropped } from './dropped-writes.js';

/**
 * Which entries keep an idempotency key although they are not queued: those that are parked, and those that were dropped,
 * which the database may not know. While there are none, nobody has to ask the journal for the key of a new write. Memory
 * only; one too many costs a question and no more, so what was dropped stays in it until the process ends.
 */
export class KeptClaims {
  readonly #ids = new Set<string>();
  #epoch = 0;

  /** Whether there are none. */
  get isEmpty(): boolean {
    return this.#ids.size === 0;
  }

  /** Goes up with every new one. Whoever begins with one value and meets another has to ask the journal again. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Reads what a process before this one left. @throws as `WriteJournal.pages` */
  async load(journal: Pick<WriteJournal, 'pages'>): Promise<void> {
    for (const state of ['parked', 'refused'] as const) {
      for await (const page of journal.pages(state))
        for (const entry of page) if (entry.state === 'parked' || isDropped(entry)) this.note(entry.id);
    }
  }

  /** Told of an entry that is parked or dropped, or perhaps about to be. */
  note(id: string): void {
    this.#ids.add(id);
    this.#epoch += 1;
  }

  /** Told what the drain does. */
  follow(event: DrainEvent): void {
    switch (event.type) {
      case 'parked':
      case 'dropped':
        this.note(event.entry.id);
        return;
      case 'applied':
      case 'refused':
        // it was requeued, and the database knows what came of it
        this.#ids.delete(event.entry.id);
        return;
      default:
        return;
    }
  }
}
