import { DependencyUnavailableError, ForbiddenError, UnauthenticatedError } from '../errors/app-error.js';
import { systemTimerClock, type TimerClock } from '../timer-clock.js';
import { type ConfirmingAuthenticator, hasRole, type Principal, type Role } from './authenticator.js';
import {
  findKey,
  isActive,
  parseApiKey,
  parseCallerRecord,
  type CallerRecord,
  type PresentedKey,
} from './caller-record.js';
import type { Secret } from './vault/secret.js';
import { SingleFlight } from './vault/single-flight.js';
import { describeFailure, retryAfterMsOf } from './vault/vault-away.js';
import type { VaultLog } from './vault/vault-ports.js';

/** It cannot be told who is calling, so nobody is let in. */
export class SecurityUnavailableError extends DependencyUnavailableError {
  constructor(retryAfterMs: number, cause?: unknown) {
    super('security_unavailable', 'It cannot be decided at the moment who is calling', {
      retryAfterMs,
      cause,
    });
  }
}

/** Where the records of callers are; Vault's `SecretStore` is one. */
export interface CallerRecords {
  /** @returns undefined only if it is certain that there is none */
  find(id: string): Promise<Secret | undefined>;
}

export interface SecurityServiceOptions {
  readonly records: CallerRecords;
  readonly log: VaultLog;
  readonly clock?: TimerClock;
}

interface Remembered {
  readonly record: CallerRecord | undefined;
  readonly readAtMs: number;
}

/** How long a record counts after it was read. An outage does not extend it. */
const validityMs = 30_000;
/** A key that does not match is looked up afresh if the record is older: it may have been added meanwhile. */
const mismatchMs = 1000;
const maxRemembered = 10_000;
const defaultRetryAfterMs = 5000;

/** Knows callers by API keys, of which Vault keeps only hashes. Whatever goes wrong, it fails closed. */
export class SecurityService implements ConfirmingAuthenticator {
  readonly #options: SecurityServiceOptions;
  readonly #clock: TimerClock;
  readonly #remembered = new Map<string, Remembered>();
  readonly #flights = new Map<string, SingleFlight<Remembered>>();

  constructor(options: SecurityServiceOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemTimerClock;
  }

  /**
   * @throws {UnauthenticatedError} if the token is certainly not a valid credential
   * @throws {SecurityUnavailableError} if that cannot be decided
   */
  async authenticate(bearerToken: string): Promise<Principal> {
    const presented = parseApiKey(bearerToken);
    if (!presented) throw new UnauthenticatedError('The API key is not valid');
    const principal =
      this.#match(presented, this.#recall(presented.id, validityMs)) ??
      this.#match(presented, await this.#freshEnough(presented.id));
    if (!principal) throw new UnauthenticatedError('The API key is not valid');
    return principal;
  }

  /** With the key that it showed then. */
  async confirm({ id, credential }: Principal, role: Role): Promise<void> {
    const callerId = id.replace(/^key:/, '');
    const { record } = this.#recall(callerId, validityMs) ?? (await this.#freshEnough(callerId));
    const key = record?.keys.find(({ hash }) => hash === credential);
    const isActiveNow = key !== undefined && isActive(key, this.#clock.now());
    if (!record || !isActiveNow || !hasRole({ id, role: record.role }, role)) {
      throw new ForbiddenError('The caller is no longer permitted to do this');
    }
  }

  /** Who presents a token, if that was read less than 30 s ago: asks nobody, and does not make it count any longer. */
  recall(bearerToken: string): Principal | undefined {
    const presented = parseApiKey(bearerToken);
    return presented && this.#match(presented, this.#recall(presented.id, validityMs));
  }

  async #freshEnough(id: string): Promise<Remembered> {
    const flight = this.#flights.get(id) ?? new SingleFlight<Remembered>();
    this.#flights.set(id, flight);
    try {
      return this.#recall(id, mismatchMs) ?? (await flight.run(() => this.#read(id)));
    } finally {
      this.#flights.delete(id);
    }
  }

  async #read(id: string): Promise<Remembered> {
    // Taken before asking: the answer may be as old as the question.
    const readAtMs = this.#clock.monotonicMs();
    const record = await this.#readRecord(id);
    const remembered = { record, readAtMs };
    this.#remembered.delete(id);
    this.#remembered.set(id, remembered);
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > maxRemembered && oldest !== undefined) this.#remembered.delete(oldest);
    return remembered;
  }

  async #readRecord(id: string): Promise<CallerRecord | undefined> {
    let secret: Secret | undefined;
    try {
      secret = await this.#options.records.find(id);
    } catch (error) {
      this.#options.log.error('Callers cannot be identified', describeFailure(error));
      throw new SecurityUnavailableError(retryAfterMsOf(error) ?? defaultRetryAfterMs);
    }
    if (!secret) return undefined;
    const record = parseCallerRecord(id, secret.reveal());
    if (!record) {
      this.#options.log.error('The record of a caller makes no sense', { callerId: id });
      throw new SecurityUnavailableError(defaultRetryAfterMs);
    }
    return record;
  }

  #recall(id: string, maxAgeMs: number): Remembered | undefined {
    const remembered = this.#remembered.get(id);
    const isFresh = remembered && this.#clock.monotonicMs() - remembered.readAtMs < maxAgeMs;
    return isFresh ? remembered : undefined;
  }

  #match({ id, secretHash }: PresentedKey, remembered: Remembered | undefined): Principal | undefined {
    const record = remembered?.record;
    const key = record && findKey(record, secretHash, this.#clock.now());
    return key && { id: `key:${id}`, role: record.role, credential: key.hash };
  }
}
