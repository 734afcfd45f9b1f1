import { outsideRequest } from '../logging/request-context.js';

/**
 * Tells listeners what happened, without letting any of them harm the one who tells. What happened concerns the service as a
 * whole: listeners run outside of the request in which it came to light.
 */
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
    if (this.#listeners.size === 0) return;
    outsideRequest(() => {
      for (const listener of this.#listeners) tell(listener, event);
    });
  }
}

function tell<Event>(listener: (event: Event) => void, event: Event): void {
  try {
    listener(event);
  } catch (error) {
    const kind = error instanceof Error ? error.name : typeof error;
    process.emitWarning(`An event listener threw ${kind}`, 'ListenerWarning');
  }
}
