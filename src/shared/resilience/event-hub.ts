/** Tells listeners what happened, without letting any of them harm the one who tells. */
export class EventHub<Event> {
  readonly #listeners = new Set<(event: Event) => void>();

  /** @returns stops the subscription */
  subscribe(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** What a listener throws becomes a process warning that names only its class: messages may quote payloads. */
  publish(event: Event): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        const kind = error instanceof Error ? error.name : typeof error;
        process.emitWarning(`An event listener threw ${kind}`, 'ListenerWarning');
      }
    }
  }
}
