import type { HttpConfig } from '../shared/config/config.js';
import { codeOf } from '../shared/errors/error-code.js';
import { OperatorError, type Obstacle } from '../shared/errors/operator-error.js';

/** The service cannot listen where it shall. */
export class ListenError extends OperatorError {
  /** Of the system, such as EADDRINUSE. */
  readonly code: string | undefined;

  constructor(http: Pick<HttpConfig, 'host' | 'port'>, cause: unknown) {
    super('The service cannot listen', [explainListenFailure(http, cause)], { cause });
    this.name = 'ListenError';
    this.code = codeOf(cause);
  }
}

function explainListenFailure({ host, port }: Pick<HttpConfig, 'host' | 'port'>, cause: unknown): Obstacle {
  const code = codeOf(cause) ?? 'unknown error';
  switch (code) {
    case 'EADDRINUSE':
      return {
        where: `PORT ${port}`,
        reason: `another process listens on that port of ${host} (${code})`,
        remedy: 'End that process, or take another PORT.',
      };
    case 'EACCES':
      return {
        where: `PORT ${port}`,
        reason: `the account of this process may not listen on that port (${code})`,
        remedy:
          'Take a PORT from 1024 on; or let the account use lower ones, on Linux with CAP_NET_BIND_SERVICE.',
      };
    case 'EADDRNOTAVAIL':
      return {
        where: `HOST ${host}`,
        reason: `it is no address of this machine (${code})`,
        remedy: 'Take one of its addresses, or 0.0.0.0 for all of them.',
      };
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return {
        where: `HOST ${host}`,
        reason: `the name is not known to the name service (${code})`,
        remedy: 'Take an address of this machine, or 0.0.0.0 for all of them.',
      };
    default:
      return {
        where: `HOST ${host}, PORT ${port}`,
        reason: `they cannot be listened on (${code})`,
        remedy: 'Take another HOST or PORT.',
      };
  }
}
