/** What went wrong between us and Vault. Decided by status and transport, never by the text of an answer. */
export type VaultFailure =
  | 'unreachable'
  | 'timeout'
  | 'cancelled'
  | 'sealed'
  | 'rate_limited'
  | 'behind'
  | 'server_error'
  | 'malformed'
  | 'redirected'
  | 'oversized'
  | 'denied'
  | 'not_found'
  | 'rejected'
  /** One item cannot be read, while others of its kind can: Vault is well. */
  | 'unreadable';

/** Vault cannot be used at the moment; asking again later may help, and last-good values may stand in. */
const unavailable: ReadonlySet<VaultFailure> = new Set<VaultFailure>([
  'unreachable',
  'timeout',
  'sealed',
  'rate_limited',
  'behind',
  'server_error',
  'malformed',
  'redirected',
  'oversized',
]);

const refusals: ReadonlySet<VaultFailure> = new Set<VaultFailure>(['denied', 'not_found', 'rejected']);

/** Counted against a breaker. A rate limit and a standby that lags behind are signs of life. */
const breaking: ReadonlySet<VaultFailure> = new Set<VaultFailure>(
  [...unavailable].filter((failure) => failure !== 'rate_limited' && failure !== 'behind'),
);

export interface VaultErrorFacts {
  /** HTTP status, where there was an answer. */
  readonly status?: number;
  /** From `Retry-After`. */
  readonly retryAfterMs?: number;
  /** A system error code such as `ECONNREFUSED`. */
  readonly reason?: string;
}

/**
 * The only error that leaves the Vault client. It deliberately has no `cause` and quotes neither request nor
 * answer: the library's own errors carry the token and the payload in plain sight of `inspect` and `JSON`.
 */
export class VaultError extends Error {
  readonly failure: VaultFailure;
  /** What was being done, a fixed label such as `kv.read`; never a path. */
  readonly operation: string;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly reason: string | undefined;

  constructor(operation: string, failure: VaultFailure, facts: VaultErrorFacts = {}) {
    const details = [facts.status, facts.reason].filter((detail) => detail !== undefined).join(', ');
    super(`Vault ${operation}: ${failure}${details && ` (${details})`}`);
    this.name = 'VaultError';
    this.failure = failure;
    this.operation = operation;
    this.status = facts.status;
    this.retryAfterMs = facts.retryAfterMs;
    this.reason = facts.reason;
  }

  /** True when Vault is away or unfit for use, false when it gave a definite answer (400, 403, 404). */
  get isUnavailable(): boolean {
    return unavailable.has(this.failure);
  }
}

/** Whether an error says that Vault is away or unfit for use; the condition of every fallback. */
export function isVaultUnavailable(error: unknown): boolean {
  return error instanceof VaultError && error.isUnavailable;
}

/** Whether Vault definitely said no (400, 403, 404): nothing may stand in for what was asked then. */
export function isVaultRefusal(error: unknown): boolean {
  return error instanceof VaultError && refusals.has(error.failure);
}

/** Whether it is certain that there is no such thing: Vault has looked where it would be. */
export function isAbsence(error: unknown): boolean {
  return error instanceof VaultError && error.failure === 'not_found' && error.reason !== 'NO_ROUTE';
}

/** Whether an error counts against a breaker: transport errors, timeouts, 5xx and nonsense, never a 4xx. */
export function isBreakingVaultError(error: unknown): boolean {
  return !(error instanceof VaultError) || breaking.has(error.failure);
}

/**
 * The failure that an HTTP status stands for, outside `sys/health`.
 * @param isVaults whether the answer has the shape of Vault's; a load balancer in front of it answers as well
 */
export function failureOfStatus(status: number, isVaults: boolean): VaultFailure {
  if ((status === 502 || status === 504) && !isVaults) return 'unreachable';
  if (status === 403) return 'denied';
  if (status === 404) return 'not_found';
  if (status === 412) return 'behind';
  if (status === 429) return 'rate_limited';
  if (status === 472 || status === 473) return 'unreachable';
  if (status === 503) return 'sealed';
  if (status >= 500) return 'server_error';
  if (status >= 400) return 'rejected';
  return status >= 300 ? 'redirected' : 'malformed';
}
