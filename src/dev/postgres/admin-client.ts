import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

export interface Login {
  user: string;
  password: string;
}

export interface Address {
  port: number;
  database: string;
}

/** The database that every server has. */
export const MAINTENANCE_DATABASE = 'postgres';

const CONNECT_TIMEOUT_MS = 3_000;
const CLOSE_TIMEOUT_MS = 500;

/** A connection string for a server of this machine. */
export function connectionString({ user, password }: Login, { port, database }: Address): string {
  return `postgresql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}

/**
 * Lends a connection for the duration of `use`. Connecting, every query and closing are bounded in time, so
 * that a server which hangs (stopped processes, a fault test) cannot hang the caller.
 */
export async function withClient<T>(
  url: string,
  use: (client: pg.Client) => Promise<T>,
  { queryTimeoutMs = 30_000 }: { queryTimeoutMs?: number } = {},
): Promise<T> {
  const socket = new Socket();
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: queryTimeoutMs,
    stream: () => socket,
  });
  let connectionError: Error | undefined;
  // Without a listener a connection lost between two queries ends the process; the next query rejects anyway.
  client.on('error', (error) => {
    connectionError ??= error;
  });
  try {
    await client.connect();
    return await use(client);
  } catch (error) {
    throw connectionError ?? error;
  } finally {
    await Promise.race([client.end(), delay(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
    socket.destroy();
  }
}
