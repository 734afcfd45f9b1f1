import { describe, expect, it } from '@jest/globals';
import {
  breaksClient,
  classifyDatabaseError,
  LockTimeoutError,
  translateConnectError,
  translateDatabaseError,
  UniqueViolationError,
} from '../../shared/database/database-error.js';
import { DependencyUnavailableError, OverloadedError } from '../../shared/errors/app-error.js';

function withCode(code: string, extra: object = {}): Error {
  return Object.assign(new Error('something about 10.0.0.7'), { code, ...extra });
}

describe('an error of the database', () => {
  it.each([
    ['connection', '08000 08001 08003 08004 08006 08007 08P01'],
    ['connection', '57P01 57P02 57P03 57P04 57P05 25P03 25P04 28000 28P01'],
    [
      'connection',
      'ECONNREFUSED ECONNRESET ECONNABORTED ETIMEDOUT EPIPE ENOTFOUND EAI_AGAIN EHOSTUNREACH ENETUNREACH',
    ],
    ['read_only', '25006'],
    ['overload', '53300'],
    ['serialization', '40001 40P01'],
    ['lock_timeout', '55P03'],
    ['statement_timeout', '57014'],
    ['statement', '23505 23514 42P01 42501 22P02 25P02 40002 3D000 XX000 EINVAL'],
  ])('is of class %s by its code: %s', (errorClass, codes) => {
    for (const code of codes.split(' '))
      expect([code, classifyDatabaseError(withCode(code))]).toEqual([code, errorClass]);
  });

  it.each([
    ['timeout exceeded when trying to connect', 'overload'],
    ['Connection terminated due to connection timeout', 'connection'],
    ['Connection terminated unexpectedly', 'connection'],
    ['Connection terminated', 'connection'],
    ['Client has encountered a connection error and is not queryable', 'connection'],
    ['Client was closed and is not queryable', 'connection'],
    ['Query read timeout', 'response_timeout'],
    ['anything else', 'statement'],
  ])('without a code is told by its message: %s → %s', (message, errorClass) => {
    expect(classifyDatabaseError(new Error(message))).toBe(errorClass);
  });

  it.each([undefined, null, 'text', 5, {}])(
    'that is no error is no business of the connection: %j',
    (thrown) => {
      expect(classifyDatabaseError(thrown)).toBe('statement');
      expect(translateDatabaseError(thrown)).toBe(thrown);
    },
  );

  it('breaks its client when the connection or the node is no longer what it was', () => {
    const classes = ['connection', 'read_only', 'response_timeout'] as const;
    expect(classes.map(breaksClient)).toEqual([true, true, true]);
    const others = ['overload', 'serialization', 'lock_timeout', 'statement_timeout', 'statement'] as const;
    expect(others.some(breaksClient)).toBe(false);
  });

  it.each([
    ['57P01', DependencyUnavailableError, 'database_unavailable'],
    ['25006', DependencyUnavailableError, 'database_unavailable'],
    ['53300', OverloadedError, 'overloaded'],
    ['57014', OverloadedError, 'overloaded'],
    ['40001', OverloadedError, 'overloaded'],
    ['55P03', LockTimeoutError, 'overloaded'],
  ])('becomes one of ours that says nothing of it: %s', (code, kind, ourCode) => {
    const cause = withCode(code);
    const error = translateDatabaseError(cause);
    expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject({ code: ourCode, retryAfterMs: expect.any(Number), cause });
    expect(String(error)).not.toContain('10.0.0.7');
  });

  it('of uniqueness names its constraint, where there is one', () => {
    const error = translateDatabaseError(withCode('23505', { constraint: 'stores_code_key' }));
    expect(error).toBeInstanceOf(UniqueViolationError);
    expect(error).toMatchObject({ constraint: 'stores_code_key' });
    const nameless = withCode('23505');
    expect(translateDatabaseError(nameless)).toBe(nameless);
  });

  it('met while connecting makes the node unavailable, whatever it is; but a full pool stays overload', () => {
    for (const code of ['3D000', 'EADDRNOTAVAIL', 'CERT_HAS_EXPIRED', '57P03']) {
      expect(translateConnectError(withCode(code))).toBeInstanceOf(DependencyUnavailableError);
    }
    const full = new Error('timeout exceeded when trying to connect');
    expect(translateConnectError(full)).toBeInstanceOf(OverloadedError);
  });
});
