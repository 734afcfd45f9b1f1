export interface BreakerOptions {
  /** For people, logs and metrics. */
  readonly name: string;
  /** After which a call is given up and its work told to stop. */
  readonly timeoutMs: number;
  /** Wait between opening and the first trial; doubles with every failed trial. */
  readonly resetMs: number;
  readonly maxResetMs: number;
  /** Over which the share of failures is taken; at most `resetMs`, or an outage would dilute its own evidence. */
  readonly windowMs: number;
  /** Share of failures within the window that opens the breaker, in percent. */
  readonly errorPercentage: number;
  /** Calls within the window below which that share means nothing. */
  readonly minimumCalls: number;
  /** Failures in a row that open the breaker whatever the share is. */
  readonly consecutiveFailures: number;
  /** Trials in a row that must succeed before everybody is let through. */
  readonly successesToClose: number;
  /** Calls whose work may be unsettled at once. */
  readonly capacity: number;
  /** Whether an error says that the dependency is unwell; everything unless told. */
  readonly isFailure?: (error: unknown) => boolean;
}

/** @throws {RangeError} naming the option */
export function validateBreakerOptions(options: BreakerOptions): void {
  const { timeoutMs, resetMs, maxResetMs, windowMs, errorPercentage } = options;
  const check = (isFine: boolean, rule: string): void => {
    if (!isFine) throw new RangeError(`Breaker ${options.name}: ${rule}`);
  };
  const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 1;
  for (const [name, value] of Object.entries({ timeoutMs, resetMs, maxResetMs, windowMs })) {
    check(Number.isFinite(value) && value > 0 && value < 2 ** 31, `${name} must be a positive time`);
  }
  check(windowMs <= resetMs, 'windowMs must not exceed resetMs');
  check(resetMs <= maxResetMs, 'resetMs must not exceed maxResetMs');
  check(errorPercentage >= 1 && errorPercentage < 100, 'errorPercentage must be from 1 to 99');
  // Opossum opens on the first failure when its volume threshold is 0 or 1.
  check(isCount(options.minimumCalls) && options.minimumCalls >= 2, 'minimumCalls must be at least 2');
  check(isCount(options.consecutiveFailures), 'consecutiveFailures must be at least 1');
  check(isCount(options.successesToClose), 'successesToClose must be at least 1');
  check(isCount(options.capacity), 'capacity must be at least 1');
}
