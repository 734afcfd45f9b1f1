import { AppError } from '../errors/app-error.js';
import type { Obstacle } from '../errors/operator-error.js';
import { tlsFailureOf } from '../errors/tls-failure.js';
import { codeOf } from './error-class.js';
import type { NodeAddress } from './node-address.js';

/** What the explanation may refer to. */
export interface AttemptedNode {
  readonly address: NodeAddress;
  /** The variable that holds its address. */
  readonly variable: string;
  /** What to look at when the login is refused, as a sentence. */
  readonly loginRemedy: string;
  readonly connectTimeoutMs: number;
}

type Explanation = Pick<Obstacle, 'reason' | 'remedy'>;

const certificateRemedies = {
  authority: 'Give the certificate of its authority in DATABASE_TLS_CA or DATABASE_TLS_CA_FILE.',
  time: 'Renew it; or, if it is good, set the clock of this machine.',
  protocol:
    'Check that it is a Postgres with TLS; DATABASE_TLS=off connects without, on a network that is trusted.',
} as const;

/** Says why a node could not be used, in words for an operator: neither credentials nor the server's own words are in it. */
export function explainDatabaseFailure(error: unknown, node: AttemptedNode): Obstacle {
  const cause = causeOf(error);
  const code = codeOf(cause);
  const { reason, remedy } = explain(cause, code, node);
  return { where: node.address.name, reason: code === undefined ? reason : `${reason} (${code})`, remedy };
}

function explain(cause: unknown, code: string | undefined, node: AttemptedNode): Explanation {
  return (
    (code === undefined ? byMessage(cause, node) : (byState(code, node) ?? bySystem(code, node))) ?? {
      reason: 'it answers with an error',
      remedy: 'The log of that Postgres says more.',
    }
  );
}

/** SQLSTATEs (PostgreSQL documentation, appendix A). */
function byState(code: string, { address, variable, loginRemedy }: AttemptedNode): Explanation | undefined {
  switch (code) {
    case '3D000':
      return {
        reason: `it has no database named ${address.database}`,
        remedy: `Create that database, or correct its name in ${variable}.`,
      };
    case '28P01':
      return { reason: 'it refuses the user name or the password', remedy: loginRemedy };
    case '28000':
      return {
        reason: 'it does not let this user in from here, or not without TLS',
        remedy: 'Look at its pg_hba.conf, at DATABASE_TLS, and whether the role exists and may log in.',
      };
    case '42P01':
    case '3F000':
      return {
        reason: 'a table of the platform is missing',
        remedy: 'Bring the database to the newest schema with npm run migrate.',
      };
    case '42703':
    case '42883':
      return {
        reason: 'its schema is older than this program',
        remedy: 'Bring the database to the newest schema with npm run migrate.',
      };
    case '42501':
      return {
        reason: 'the role lacks a right',
        remedy:
          'A login of the service must be a member of store_platform_rw; the one that migrates, owner of the database.',
      };
    case '25006':
      return {
        reason: 'it takes no writes: it is a replica, or read-only',
        remedy: `Give the address of the primary in ${variable}.`,
      };
    case '53300':
      return {
        reason: 'it has no connection left',
        remedy: 'Raise its max_connections, or end other clients.',
      };
    case '57P03':
      return { reason: 'it is starting or stopping', remedy: 'Try again when it is up.' };
    default:
      return undefined;
  }
}

/** Codes of Node's sockets and of TLS. */
function bySystem(
  code: string,
  { address, variable, connectTimeoutMs }: AttemptedNode,
): Explanation | undefined {
  const tls = tlsFailureOf(code);
  if (tls) {
    const remedy =
      tls.cure === 'name'
        ? `Use the name of the certificate in ${variable}, or DATABASE_TLS=verify-ca, which checks the authority alone.`
        : certificateRemedies[tls.cure];
    return { reason: tls.reason, remedy };
  }
  switch (code) {
    case 'ECONNREFUSED':
      return {
        reason: 'nothing listens there',
        remedy: `Start that Postgres, or correct host and port in ${variable}.`,
      };
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return {
        reason: `the name ${address.host} is not known to the name service`,
        remedy: `Correct the host in ${variable}, or the name service of this machine.`,
      };
    case 'ETIMEDOUT':
      return silence(connectTimeoutMs, variable);
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
    case 'ENETDOWN':
      return {
        reason: 'there is no way to it',
        remedy: `Look at the network, and at the host in ${variable}.`,
      };
    case 'ECONNRESET':
    case 'EPIPE':
      return cut(variable);
    default:
      return undefined;
  }
}

/** pg gives these no code. */
function byMessage(cause: unknown, { variable, connectTimeoutMs }: AttemptedNode): Explanation | undefined {
  const message = cause instanceof Object && 'message' in cause ? cause.message : undefined;
  switch (message) {
    case 'timeout expired':
    case 'Connection terminated due to connection timeout':
    case 'Query read timeout':
      return silence(connectTimeoutMs, variable);
    case 'The server does not support SSL connections':
      return {
        reason: 'it does not offer TLS, which DATABASE_TLS asks for',
        remedy:
          'Turn on ssl in its postgresql.conf; DATABASE_TLS=off connects without, on a network that is trusted.',
      };
    case 'Connection terminated unexpectedly':
    case 'Connection terminated':
    case 'There was an error establishing an SSL connection':
      return cut(variable);
    default:
      return undefined;
  }
}

function silence(timeoutMs: number, variable: string): Explanation {
  return {
    reason: `no answer within ${timeoutMs} ms`,
    remedy: `Look at firewalls and at the host in ${variable}; DATABASE_CONNECT_TIMEOUT_MS waits longer.`,
  };
}

function cut(variable: string): Explanation {
  return {
    reason: 'the connection was cut before there was an answer',
    remedy: `Check that it is a Postgres that listens at the address in ${variable}.`,
  };
}

/** What pg met is inside of our own error. */
function causeOf(error: unknown): unknown {
  return error instanceof AppError && error.cause !== undefined ? error.cause : error;
}
