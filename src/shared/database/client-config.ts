import type pg from 'pg';
import type { Login, NodeAddress } from './node-address.js';

/** How a server is to prove who it is. */
export interface TlsSettings {
  /** PEM; the system's authorities unless given. */
  readonly ca?: string;
  /** Whether the certificate must name the host. */
  readonly verifyHost: boolean;
}

export interface Reach {
  readonly connectTimeoutMs: number;
  /** Absent: unencrypted. */
  readonly tls?: TlsSettings | undefined;
}

/**
 * How every connection of the product to Postgres is made: of the service, of commands, of migrations. There is no other
 * way, so that none goes without the encryption that is configured.
 */
export function clientConfig(
  { host, port, database }: NodeAddress,
  { username, password }: Login,
  { connectTimeoutMs, tls }: Reach,
): pg.ClientConfig {
  return {
    host,
    port,
    database,
    user: username,
    password,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    application_name: 'store-provisioning-platform',
    ssl: tls ? tlsOptions(tls) : false,
  };
}

function tlsOptions({ ca, verifyHost }: TlsSettings): pg.ClientConfig['ssl'] {
  return {
    rejectUnauthorized: true,
    ...(ca !== undefined && { ca }),
    // the chain is verified either way
    ...(!verifyHost && { checkServerIdentity: () => undefined }),
  };
}
