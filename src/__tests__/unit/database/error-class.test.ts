import { describe, expect, it } from '@jest/globals';
import {
  DatabaseUnavailableError,
  LockTimeoutError,
  translateConnectError,
  translateDatabaseError,
  UniqueViolationError,
} from '../../../shared/database/database-error.js';
import {
  accusesNode,
  breaksConnection,
  classifyDatabaseError,
  type DatabaseErrorClass,
} from '../../../shared/database/error-class.js';
import { OverloadedError } from '../../../shared/errors/app-error.js';

function withCode(code: string): Error {
  return Object.assign(new Error('something about 10.0.0.7'), { code });
}

const byCode: readonly (readonly [string, DatabaseErrorClass])[] = [
  ['08000', 'connection'],
  ['08001', 'connection'],
  ['08003', 'connection'],
  ['08004', 'connection'],
  ['08006', 'connection'],
  ['08007', 'connection'],
  ['08P01', 'connection'],
  ['57P01', 'connection'],
  ['57P02', 'connection'],
  ['57P03', 'connection'],
  ['57P04', 'connection'],
  ['40003', 'connection'],
  ['57P05', 'session_ended'],
  ['25P03', 'session_ended'],
  ['25P04', 'session_ended'],
  ['25006', 'read_only'],
  ['28000', 'credentials'],
  ['28P01', 'credentials'],
  ['42501', 'permission'],
  ['53000', 'overload'],
  ['53100', 'overload'],
  ['53200', 'overload'],
  ['53300', 'overload'],
  ['53400', 'overload'],
  ['40001', 'serialization'],
  ['40P01', 'serialization'],
  ['40000', 'statement'],
  ['40002', 'statement'],
  ['55P03', 'lock_timeout'],
  ['57014', 'statement_timeout'],
  ['55000', 'statement'],
  ['25P02', 'statement'],
  ['25001', 'statement'],
  ['22001', 'statement'],
  ['22P02', 'statement'],
  ['23502', 'statement'],
  ['23503', 'statement'],
  ['23505', 'statement'],
  ['23514', 'statement'],
  ['23P01', 'statement'],
  ['3D000', 'statement'],
  ['26000', 'session_ended'],
  ['42601', 'statement'],
  ['42P01', 'statement'],
  ['0A000', 'statement'],
  ['XX000', 'statement'],
  ['58030', 'statement'],
  ['ECONNREFUSED', 'connection'],
  ['ECONNRESET', 'connection'],
  ['ECONNABORTED', 'connection'],
  ['ETIMEDOUT', 'connection'],
  ['EPIPE', 'connection'],
  ['ENOTFOUND', 'connection'],
  ['EAI_AGAIN', 'connection'],
  ['EHOSTUNREACH', 'connection'],
  ['EHOSTDOWN', 'connection'],
  ['ENETUNREACH', 'connection'],
  ['ENETDOWN', 'connection'],
  ['ENETRESET', 'connection'],
  ['ERR_STREAM_DESTROYED', 'connection'],
  ['ERR_STREAM_WRITE_AFTER_END', 'connection'],
  ['ERR_SOCKET_CLOSED', 'connection'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'connection'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'connection'],
  ['EPROTO', 'connection'],
  ['CERT_HAS_EXPIRED', 'connection'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'connection'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'connection'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'connection'],
  ['EMFILE', 'overload'],
  ['ENFILE', 'overload'],
  ['EADDRNOTAVAIL', 'overload'],
  ['ENOBUFS', 'overload'],
  ['ENOENT', 'statement'],
];

const byMessage: readonly (readonly [string, DatabaseErrorClass])[] = [
  ['timeout exceeded when trying to connect', 'overload'],
  ['timeout expired', 'connection'],
  ['Connection terminated due to connection timeout', 'connection'],
  ['Connection terminated unexpectedly', 'connection'],
  ['Connection terminated', 'connection'],
  ['Client has encountered a connection error and is not queryable', 'connection'],
  ['Client was closed and is not queryable', 'connection'],
  ['The server does not support SSL connections', 'connection'],
  ['There was an error establishing an SSL connection', 'connection'],
  ['Query read timeout', 'response_timeout'],
  ['Query values must be an array', 'statement'],
  ['anything else', 'statement'],
];

describe('classifyDatabaseError', () => {
  it.each(byCode)('takes the code %s for %s', (code, expected) => {
    expect(classifyDatabaseError(withCode(code))).toBe(expected);
  });

  it.each(byMessage)('takes an error without a code that says "%s" for %s', (message, expected) => {
    expect(classifyDatabaseError(new Error(message))).toBe(expected);
  });

  it('does not read the message of an error that has a code', () => {
    const error = Object.assign(new Error('Query read timeout'), { code: '23505' });
    expect(classifyDatabaseError(error)).toBe('statement');
  });

  it.each([undefined, null, 'Query read timeout', { code: '57P01' }])(
    'blames the statement for %p',
    (thrown) => {
      expect(classifyDatabaseError(thrown)).toBe('statement');
    },
  );
});

describe('what a class means', () => {
  it.each<[DatabaseErrorClass, boolean, boolean]>([
    ['connection', true, true],
    ['read_only', true, true],
    ['response_timeout', true, true],
    ['session_ended', true, false],
    ['credentials', false, false],
    ['permission', false, false],
    ['overload', false, false],
    ['serialization', false, false],
    ['lock_timeout', false, false],
    ['statement_timeout', false, false],
    ['statement', false, false],
  ])('%s: breaks the connection %p, accuses the node %p', (errorClass, breaks, accuses) => {
    expect(breaksConnection(errorClass)).toBe(breaks);
    expect(accusesNode(errorClass)).toBe(accuses);
  });
});

describe('translateDatabaseError', () => {
  it.each(['08006', '57P01', '25006', '25P03', '28P01'])('makes %s an unavailable database', (code) => {
    const cause = withCode(code);
    const error = translateDatabaseError(cause);
    expect(error).toBeInstanceOf(DatabaseUnavailableError);
    expect(error).toMatchObject({ code: 'database_unavailable', retryAfterMs: 2_000, cause });
  });

  it.each(['42501', '28P01'])('makes %s of a login that may expire the end of that login', (code) => {
    const cause = withCode(code);
    const error = translateDatabaseError(cause, { id: 'g7', mayExpire: true });
    expect(error).toBeInstanceOf(DatabaseUnavailableError);
    expect(error).toMatchObject({ errorClass: 'credentials', generationId: 'g7', cause });
  });

  it('leaves a missing right of a login for ever what it is', () => {
    const cause = withCode('42501');
    expect(translateDatabaseError(cause, { id: 'static', mayExpire: false })).toBe(cause);
  });

  it.each(['53300', '57014', '40001'])('makes %s an overload', (code) => {
    expect(translateDatabaseError(withCode(code))).toBeInstanceOf(OverloadedError);
  });

  it('keeps a lock that was not had apart from other overload', () => {
    expect(translateDatabaseError(withCode('55P03'))).toBeInstanceOf(LockTimeoutError);
  });

  it('names the constraint of a uniqueness violation', () => {
    const error = Object.assign(withCode('23505'), { constraint: 'stores_code_key' });
    expect(translateDatabaseError(error)).toMatchObject({ constraint: 'stores_code_key' });
    expect(translateDatabaseError(error)).toBeInstanceOf(UniqueViolationError);
  });

  it.each([withCode('23514'), withCode('23505'), new TypeError('ours'), 'text'])(
    'leaves %p as it is',
    (thrown) => {
      expect(translateDatabaseError(thrown)).toBe(thrown);
    },
  );

  it.each(['57P01', '53300', '55P03'])('says nothing of the server in what it makes of %s', (code) => {
    expect(String(translateDatabaseError(withCode(code)))).not.toContain('10.0.0.7');
  });
});

describe('translateConnectError', () => {
  it.each(['3D000', 'CERT_HAS_EXPIRED', '57P03', '28P01'])('makes the node unavailable for %s', (code) => {
    expect(translateConnectError(withCode(code))).toBeInstanceOf(DatabaseUnavailableError);
  });

  it.each(['53300', 'EADDRNOTAVAIL', 'EMFILE'])('does not blame the node for %s', (code) => {
    expect(translateConnectError(withCode(code))).toBeInstanceOf(OverloadedError);
  });
});
