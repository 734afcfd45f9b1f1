import { randomBytes, randomUUID } from 'node:crypto';
import type { TimerClock } from '../../shared/timer-clock.js';
import type { Fields } from './engine.js';
import { VaultFault } from './engine.js';
import { timestamp } from './fields.js';

interface Wrapped {
  readonly envelope: Fields;
  readonly creationPath: string;
  readonly createdAtMs: number;
  readonly ttlMs: number;
}

/** Response wrapping: an answer kept aside behind a single-use token that says where the answer came from. */
export class WrappingStore {
  readonly #clock: TimerClock;
  readonly #wrapped = new Map<string, Wrapped>();

  constructor(clock: TimerClock) {
    this.#clock = clock;
  }

  /** @returns the envelope that is sent instead */
  wrap(envelope: Fields, creationPath: string, ttlMs: number): Fields {
    const token = `s.${randomBytes(18).toString('base64url')}`;
    const createdAtMs = this.#clock.now().getTime();
    this.#wrapped.set(token, { envelope, creationPath, createdAtMs, ttlMs });
    return {
      request_id: '',
      lease_id: '',
      renewable: false,
      lease_duration: 0,
      data: null,
      wrap_info: {
        token,
        accessor: randomUUID(),
        ttl: ttlMs / 1000,
        creation_time: timestamp(createdAtMs),
        creation_path: creationPath,
      },
      warnings: null,
      auth: null,
    };
  }

  lookup(token: string | undefined): Fields {
    const { creationPath, createdAtMs, ttlMs } = this.#get(token);
    return {
      creation_path: creationPath,
      creation_time: timestamp(createdAtMs),
      creation_ttl: ttlMs / 1000,
    };
  }

  /** The original envelope, once. */
  unwrap(token: string | undefined): Fields {
    const { envelope } = this.#get(token);
    this.#wrapped.delete(token ?? '');
    return envelope;
  }

  holds(token: string): boolean {
    return this.#wrapped.has(token);
  }

  #get(token: string | undefined): Wrapped {
    const wrapped = this.#wrapped.get(token ?? '');
    if (!wrapped || wrapped.createdAtMs + wrapped.ttlMs <= this.#clock.now().getTime()) {
      throw new VaultFault(400, 'wrapping token is not valid or does not exist');
    }
    return wrapped;
  }
}
