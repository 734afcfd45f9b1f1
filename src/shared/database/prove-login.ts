import type { DatabaseConfig } from '../config/config.js';
import { pause, systemTimerClock, type TimerClock } from '../timer-clock.js';
import { Connection } from './connection.js';
import type { CredentialGeneration } from './credential-source.js';
import { type Obstacle, OperatorError } from '../errors/operator-error.js';
import { isLoginRefusal } from './database-error.js';
import { explainDatabaseFailure } from './explain-failure.js';
import { type NodeAddress, parseConnectionString } from './node-address.js';

/** No node accepts a login. */
export class LoginUnusableError extends OperatorError {
  /** @param errors what each node answered, in the order of the obstacles */
  constructor(
    obstacles: readonly Obstacle[],
    readonly errors: readonly unknown[],
  ) {
    super('No node of the database can be used', obstacles);
    this.name = 'LoginUnusableError';
  }
}

/** A login made on the primary reaches a replica with the WAL, a moment later. */
const replicationWaitMs = 3_000;
const retryIntervalMs = 50;

/**
 * Proves that a login is accepted and may read `probeTable`: on one node at least, and on every other one that answers, so
 * that no replica refuses it once it is in use.
 * @throws {LoginUnusableError} if no node accepts it, with the reason of each
 */
export async function proveLogin(
  config: DatabaseConfig,
  login: CredentialGeneration,
  probeTable: string,
  clock: TimerClock = systemTimerClock,
): Promise<void> {
  const addresses = config.urls.map((url) => parseConnectionString(url).address);
  const attempts = addresses.map((address) => logInOnce(address, config, login, probeTable, clock));
  const outcomes = await Promise.allSettled(attempts);
  const reasons = outcomes.flatMap((outcome) =>
    outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
  );
  if (reasons.length === addresses.length) throw noneAccepts(config, addresses, reasons);
  const refusing = addresses.filter((_address, index) => isRefusal(outcomes[index]));
  const deadlineMs = clock.monotonicMs() + replicationWaitMs;
  await Promise.all(
    refusing.map((address) => logInUntil(deadlineMs, address, config, login, probeTable, clock)),
  );
}

async function logInUntil(
  deadlineMs: number,
  address: NodeAddress,
  config: DatabaseConfig,
  login: CredentialGeneration,
  probeTable: string,
  clock: TimerClock,
): Promise<void> {
  while (clock.monotonicMs() < deadlineMs) {
    await pause(clock, retryIntervalMs);
    const [outcome] = await Promise.allSettled([logInOnce(address, config, login, probeTable, clock)]);
    if (!isRefusal(outcome)) return;
  }
}

async function logInOnce(
  address: NodeAddress,
  config: DatabaseConfig,
  login: CredentialGeneration,
  probeTable: string,
  clock: TimerClock,
): Promise<void> {
  const connection = await Connection.open(address, login, config, clock, () => undefined);
  try {
    await connection.query(`SELECT FROM ${probeTable} LIMIT 1`);
  } finally {
    connection.close();
  }
}

function noneAccepts(
  { connectTimeoutMs }: DatabaseConfig,
  addresses: readonly NodeAddress[],
  reasons: readonly unknown[],
): LoginUnusableError {
  const obstacles = addresses.map((address, index) =>
    explainDatabaseFailure(reasons[index], {
      address,
      connectTimeoutMs,
      variable: 'DATABASE_URLS',
      loginRemedy:
        'The login came from Vault, or from DATABASE_FALLBACK_USERNAME: check that it is one of this very cluster.',
    }),
  );
  return new LoginUnusableError(obstacles, reasons);
}

function isRefusal(outcome: PromiseSettledResult<void> | undefined): boolean {
  return outcome?.status === 'rejected' && isLoginRefusal(outcome.reason);
}
