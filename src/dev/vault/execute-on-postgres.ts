import { Client } from 'pg';
import type { ExecuteSql } from './engines/database.js';

/** Carries out statements on a real Postgres, in one transaction, on a connection of their own. */
export const executeOnPostgres: ExecuteSql = async ({ url, username, password }, statements) => {
  const address = url
    .replace('{{username}}', encodeURIComponent(username))
    .replace('{{password}}', encodeURIComponent(password));
  const client = new Client({
    connectionString: address,
    connectionTimeoutMillis: 5000,
    query_timeout: 10_000,
  });
  // A connection that breaks between two statements reports here too; the statement's own rejection is what counts.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('BEGIN');
    for (const statement of statements) await client.query(statement);
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
};
