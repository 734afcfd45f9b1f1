import type { OperatorAction } from '../models/operator-action.js';

/** Who wants something done, and why. */
export type OperatorRequest = Pick<OperatorAction, 'actor' | 'reason' | 'requestId'>;
