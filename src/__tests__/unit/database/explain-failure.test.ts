import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { explainDatabaseFailure } from '../../../shared/database/explain-failure.js';
import { translateConnectError } from '../../../shared/database/database-error.js';
import { parseConnectionString } from '../../../shared/database/node-address.js';

const node = {
  address: parseConnectionString('postgresql://canary-user:canary-password@db1:5432/stores').address,
  variable: 'DATABASE_URLS',
  loginRemedy: 'Correct the login.',
  connectTimeoutMs: 2_000,
};

const failing = (code: string | undefined, message = 'canary-message'): Error =>
  Object.assign(new Error(message), code === undefined ? {} : { code });

describe('the explanation of a node that cannot be used', () => {
  it.each<[string | undefined, string, string, string]>([
    ['ECONNREFUSED', '', 'nothing listens there', 'DATABASE_URLS'],
    ['ENOTFOUND', '', 'the name db1 is not known', 'Correct the host'],
    ['EAI_AGAIN', '', 'the name db1 is not known', 'name service'],
    ['ETIMEDOUT', '', 'no answer within 2000 ms', 'firewalls'],
    ['EHOSTUNREACH', '', 'there is no way to it', 'network'],
    ['ECONNRESET', '', 'the connection was cut', 'Check that it is a Postgres'],
    ['3D000', '', 'it has no database named stores', 'Create that database'],
    ['28P01', '', 'refuses the user name or the password', 'Correct the login.'],
    ['28000', '', 'does not let this user in', 'pg_hba.conf'],
    ['42P01', '', 'a table of the platform is missing', 'npm run migrate'],
    ['42703', '', 'schema is older', 'npm run migrate'],
    ['42501', '', 'the role lacks a right', 'store_platform_rw'],
    ['25006', '', 'takes no writes', 'address of the primary'],
    ['53300', '', 'no connection left', 'max_connections'],
    ['57P03', '', 'starting or stopping', 'Try again'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', '', 'authority that is not trusted', 'DATABASE_TLS_CA'],
    ['SELF_SIGNED_CERT_IN_CHAIN', '', 'authority that is not trusted', 'DATABASE_TLS_CA'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', '', 'authority that is not trusted', 'DATABASE_TLS_CA'],
    ['CERT_HAS_EXPIRED', '', 'has expired', 'clock'],
    ['CERT_NOT_YET_VALID', '', 'not valid yet', 'clock'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', '', 'another host name', 'verify-ca'],
    ['EPROTO', '', 'does not speak TLS', 'DATABASE_TLS=off'],
    [undefined, 'The server does not support SSL connections', 'does not offer TLS', 'DATABASE_TLS=off'],
    [undefined, 'timeout expired', 'no answer within 2000 ms', 'DATABASE_CONNECT_TIMEOUT_MS'],
    [undefined, 'Connection terminated unexpectedly', 'the connection was cut', 'a Postgres that listens'],
  ])('for %s %s says what and what to do', (code, message, reason, remedy) => {
    // as it is met, and as the connection hands it on
    for (const error of [failing(code, message), translateConnectError(failing(code, message))]) {
      const explained = explainDatabaseFailure(error, node);
      expect(explained.where).toBe('db1:5432/stores');
      expect(explained.reason).toContain(reason);
      if (code !== undefined) expect(explained.reason).toContain(`(${code})`);
      expect(explained.remedy).toContain(remedy);
    }
  });

  it('quotes neither credentials nor the words of a server, whatever comes', () => {
    const codes = fc.oneof(
      fc.constant(undefined),
      fc.stringMatching(/^[0-9A-Z]{5}$/),
      fc.stringMatching(/^[A-Z_]{3,20}$/),
    );
    fc.assert(
      fc.property(codes, fc.string(), (code, text) => {
        const { where, reason, remedy } = explainDatabaseFailure(
          failing(code, `canary-message ${text}`),
          node,
        );
        expect(`${where} ${reason} ${remedy}`).not.toContain('canary');
        expect(reason.length * remedy.length).toBeGreaterThan(0);
      }),
    );
  });
});
