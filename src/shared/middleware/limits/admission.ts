import type { Request, RequestHandler } from 'express';
import type { Principal } from '../../services/authenticator.js';
import { addressKeyOf } from './address-key.js';
import { ConcurrencyGate, type ConcurrencyLimits, type Slot } from './concurrency-gate.js';
import { KnownCallers } from './known-callers.js';
import { type RateLimit, rateLimited } from './rate-limits.js';
import { WindowCounts } from './window-counts.js';

interface Admitted {
  readonly slot: Slot;
  /** Name of the credential that the request shows; absent where it shows none. */
  readonly credential: string | undefined;
  /** Once it is known. */
  principal?: Principal;
}

export interface AdmissionOptions {
  readonly concurrency: ConcurrencyLimits;
  /** Of refusals, to a caller that is known, or to an address as long as none is. */
  readonly refusals: RateLimit;
}

const admitted = new WeakMap<Request, Admitted>();

/** Refusals for which a caller who is known can be blamed: all others come after its own rate limit. */
function isBlamed(status: number, code: string): boolean {
  return status === 403 || status === 405 || code === 'route_not_found';
}

/**
 * Decides whether a request is looked at, before it is asked who the caller is: that costs something, too. A request counts
 * against the caller whose credential it shows, if that was verified within the last hour, and else against its address. So an
 * address from which strangers try their luck is closed to strangers, and regular callers behind it notice nothing.
 * The hour decides only who pays: who is let in is decided anew for each request.
 */
export class Admission {
  readonly #gate: ConcurrencyGate;
  readonly #limit: RateLimit;
  readonly #refusals: WindowCounts;
  readonly #callers = new KnownCallers();

  constructor({ concurrency, refusals }: AdmissionOptions) {
    this.#gate = new ConcurrencyGate(concurrency);
    this.#limit = refusals;
    this.#refusals = new WindowCounts(refusals);
  }

  /** Belongs before authentication. */
  get handler(): RequestHandler {
    return (req, res, next) => {
      const header = req.headers.authorization;
      const credential = header === undefined ? undefined : KnownCallers.nameOf(header);
      const known = credential === undefined ? undefined : this.#callers.find(credential);
      const caller = known ?? addressCaller(req);
      this.#assertFewRefusals(caller);
      const slot = this.#gate.enter(caller, known !== undefined);
      admitted.set(req, { slot, credential });
      res.once('close', () => {
        slot.leave();
      });
      next();
    };
  }

  /** To be called once it is known who the caller is. @throws {AppError} `rate_limited` or `overloaded` */
  recognise(req: Request, principal: Principal): void {
    const admission = admitted.get(req);
    if (!admission) return;
    const caller = principalCaller(principal);
    admission.principal = principal;
    if (admission.credential !== undefined) this.#callers.remember(admission.credential, caller);
    this.#assertFewRefusals(caller);
    admission.slot.moveTo(caller);
  }

  /** To be called with every refusal of a request, by whichever part of the app. */
  noteRefusal(req: Request, status: number, code: string): void {
    const isOurs = status >= 500 && status !== 501;
    if (status < 400 || isOurs || status === 408 || status === 429) return;
    const { credential, principal } = admitted.get(req) ?? {};
    if (principal) {
      if (isBlamed(status, code)) this.#refusals.increment(principalCaller(principal));
      return;
    }
    if (status === 401 && credential !== undefined) this.#callers.forget(credential);
    this.#refusals.increment(addressCaller(req));
  }

  #assertFewRefusals(caller: string): void {
    const waitMs = this.#refusals.waitMs(caller, this.#limit.requests);
    if (waitMs !== undefined) throw rateLimited(this.#limit, 'requests that are refused', waitMs);
  }
}

/** Runs what waits for bytes of the caller, so that it counts against the caller alone. */
export function whileArriving<T>(req: Request, arrive: () => Promise<T>): Promise<T> {
  const slot = admitted.get(req)?.slot;
  return slot ? slot.whileArriving(arrive) : arrive();
}

function addressCaller(req: Request): string {
  return `address ${addressKeyOf(req)}`;
}

function principalCaller({ id }: Principal): string {
  return `principal ${id}`;
}
