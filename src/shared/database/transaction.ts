import { DependencyUnavailableError } from '../errors/app-error.js';
import { writeOutcomeUnknown } from './database-error.js';
import type { PooledClient } from './node-pool.js';
import type { QueryResult, Transaction } from './queryable.js';

/** Runs `work` between BEGIN and COMMIT on `client`; rolls back when it throws, and passes its error on. */
export async function runTransaction<T>(
  client: PooledClient,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  await client.query('BEGIN');
  const transaction = new ClientTransaction(client);
  let result: T;
  try {
    result = await work(transaction);
  } catch (error) {
    transaction.end();
    await rollBack(client);
    throw error;
  }
  transaction.end();
  await commit(client);
  return result;
}

async function commit(client: PooledClient): Promise<void> {
  let command: string;
  try {
    ({ command } = await client.query('COMMIT'));
  } catch (error) {
    if (client.isBroken && error instanceof DependencyUnavailableError) throw writeOutcomeUnknown(error);
    throw error;
  }
  // Postgres answers COMMIT in an aborted transaction with ROLLBACK, and no error
  if (command !== 'COMMIT')
    throw new Error('The transaction was rolled back: a failed statement was overlooked');
}

/** The first error is the one that counts: a rollback that fails only means that the client is not used again. */
async function rollBack(client: PooledClient): Promise<void> {
  if (client.isBroken) return;
  await client.query('ROLLBACK').catch(() => {
    client.isBroken = true;
  });
}

class ClientTransaction implements Transaction {
  #hasEnded = false;
  #savepoints = 0;
  readonly #client: PooledClient;

  constructor(client: PooledClient) {
    this.#client = client;
  }

  async query<Row extends object>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>> {
    if (this.#hasEnded) throw new Error('The transaction has ended');
    return this.#client.query<Row>(text, values);
  }

  async savepoint<T>(work: () => Promise<T>): Promise<T> {
    this.#savepoints += 1;
    const name = `savepoint_${this.#savepoints}`;
    await this.query(`SAVEPOINT ${name}`);
    try {
      const result = await work();
      await this.query(`RELEASE SAVEPOINT ${name}`);
      return result;
    } catch (error) {
      if (!this.#client.isBroken) await this.query(`ROLLBACK TO SAVEPOINT ${name}`);
      throw error;
    }
  }

  end(): void {
    this.#hasEnded = true;
  }
}
