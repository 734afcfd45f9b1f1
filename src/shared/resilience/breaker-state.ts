/** Where a breaker is; every state carries only what belongs to it. Times are of the clock's monotonic kind. */
export type BreakerState =
  | { readonly name: 'closed'; readonly consecutiveFailures: number }
  | {
      readonly name: 'open';
      readonly trialAtMs: number;
      /** What makes the trial due then. */
      readonly trialReason: 'trial_due' | 'invited';
      readonly failedTrials: number;
    }
  | {
      readonly name: 'half-open';
      readonly successes: number;
      readonly isTrialRunning: boolean;
      readonly failedTrials: number;
      /** Whether the dependency was believed to be back while the trial was already running. */
      readonly isInvited: boolean;
    }
  /** An operator wants it so, whatever the dependency does. */
  | { readonly name: 'isolated' }
  | { readonly name: 'stopped' };

/** Without a trial, so that the next call makes one. */
export function halfOpen(
  successes: number,
  failedTrials: number,
): Extract<BreakerState, { name: 'half-open' }> {
  return { name: 'half-open', successes, isTrialRunning: false, failedTrials, isInvited: false };
}

export const breakerStates: readonly BreakerState['name'][] = [
  'closed',
  'open',
  'half-open',
  'isolated',
  'stopped',
];

/** Why a breaker went from one state to another. */
export const breakerReasons = [
  /** Closed → open. */
  'consecutive_failures',
  'error_share',
  /** Open → half-open: its time had come, or somebody said that the dependency is back. */
  'trial_due',
  'invited',
  /** Half-open → open or closed. */
  'trial_failed',
  'trials_succeeded',
  /** An operator's doing. */
  'isolated',
  'restored',
  'stopped',
] as const;
export type BreakerReason = (typeof breakerReasons)[number];

export type BreakerEvent =
  | {
      readonly type: 'state';
      readonly breaker: string;
      readonly from: BreakerState;
      readonly to: BreakerState;
      readonly reason: BreakerReason;
    }
  | { readonly type: 'success'; readonly breaker: string; readonly durationMs: number }
  | {
      readonly type: 'failure';
      readonly breaker: string;
      readonly durationMs: number;
      readonly error: unknown;
    }
  /** Ended with an error that says nothing against the dependency: a refusal, our own overload, a caller who left. */
  | { readonly type: 'neutral'; readonly breaker: string; readonly durationMs: number }
  | { readonly type: 'refused'; readonly breaker: string; readonly reason: 'open' | 'full' };
