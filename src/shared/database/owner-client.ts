import pg from 'pg';
import { OperatorError } from '../errors/operator-error.js';
import { clientConfig, type Reach } from './client-config.js';
import { classifyDatabaseError, codeOf } from './error-class.js';
import { explainDatabaseFailure } from './explain-failure.js';
import { parseConnectionString } from './node-address.js';

/** The database as its owner reaches it. */
export interface OwnerAccess extends Reach {
  readonly connectionString: string;
  /** The variable that holds the connection string, for messages. */
  readonly variable: string;
}

const obstacleClasses = new Set([
  'connection',
  'session_ended',
  'read_only',
  'credentials',
  'permission',
  'overload',
]);

/**
 * Lends a connection of the owner, made like every other one of the product.
 * @throws {OperatorError} if the database cannot be reached or refuses the owner, or what only an owner may do
 * @throws what `work` throws
 */
export async function withOwnerClient<T>(
  { connectionString, variable, ...reach }: OwnerAccess,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const { address, login } = parseConnectionString(connectionString);
  const client = new pg.Client(clientConfig(address, login, reach));
  // a connection that breaks fails what runs on it; without a listener it would end the process as well
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } catch (error) {
    const isObstacle = obstacleClasses.has(classifyDatabaseError(error)) || codeOf(error) === '3D000';
    if (!isObstacle) throw error;
    const obstacle = explainDatabaseFailure(error, {
      address,
      variable,
      connectTimeoutMs: reach.connectTimeoutMs,
      loginRemedy: `Correct the login in ${variable}.`,
    });
    throw new OperatorError('The database cannot be used', [obstacle], { cause: error });
  } finally {
    await client.end().catch(() => undefined);
  }
}
