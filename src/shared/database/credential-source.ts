import type { Login } from './node-address.js';

/** A login, as long as it is valid: each new one gets pools of its own. */
export interface CredentialGeneration extends Login {
  /** Names the generation in logs and metrics; no secret. */
  readonly id: string;
  /** Whether the server stops accepting it some day, and another one takes its place. */
  readonly mayExpire: boolean;
}

/**
 * Takes over a generation.
 * @returns resolves when no connection of an earlier generation is left, after a bounded time at the latest: only
 *   then may those be revoked
 */
export type CredentialConsumer = (generation: CredentialGeneration) => Promise<void>;

/**
 * Where logins come from. A source that rotates does so in this order: mint, prove (see `proveLogin`),
 * publish to every consumer, wait until they have drained, revoke.
 */
export interface CredentialSource {
  /** @throws {DependencyUnavailableError} if there is none */
  current(): CredentialGeneration;
  /** @returns ends the subscription */
  subscribe(consumer: CredentialConsumer): () => void;
  /**
   * Says that the server refuses a generation, perhaps before its time. Returns at once; a source that can mint another
   * one does so as soon as it may, once however often it is told.
   * @returns in how many ms it begins to: 0 if that is under way or done, infinite if it cannot
   */
  reject(generationId: string): number;
}

/** One login for ever, such as that of a connection string. */
export class StaticCredentials implements CredentialSource {
  readonly #generation: CredentialGeneration;

  constructor(login: Login) {
    this.#generation = { id: 'static', ...login, mayExpire: false };
  }

  current(): CredentialGeneration {
    return this.#generation;
  }

  subscribe(): () => void {
    return () => undefined;
  }

  /** There is no other one. */
  reject(): number {
    return Number.POSITIVE_INFINITY;
  }
}
