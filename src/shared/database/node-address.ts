/** Who logs in. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

/** Where a node is. */
export interface NodeAddress {
  /** `host:port/database`: names the node in logs, metrics and events. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
}

const defaultPort = 5432;

/** Takes a connection string apart: `postgresql://user:password@host:port/database`. */
export function parseConnectionString(text: string): {
  readonly address: NodeAddress;
  readonly login: Login;
} {
  const url = new URL(text);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? defaultPort : Number(url.port);
  const database = decodeURIComponent(url.pathname.slice(1));
  return {
    address: { name: `${url.hostname}:${port}/${database}`, host, port, database },
    login: { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) },
  };
}
