import { describe, expect, it } from '@jest/globals';
import { PassThrough } from 'node:stream';
import { createLogger, type LogLevel } from '../../shared/logging/logger.js';
import { maxLoggedLength, redact, redactText } from '../../shared/logging/redaction.js';
import { currentRequestContext, runInRequestContext } from '../../shared/logging/request-context.js';

function logged(level: LogLevel, silent = false) {
  const lines: Record<string, unknown>[] = [];
  const stream = new PassThrough().on('data', (chunk: Buffer) => {
    lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
  });
  return { logger: createLogger({ level, stream, silent }), lines };
}

describe('redaction', () => {
  it.each([
    'authorization',
    'Authorization',
    'cookie',
    'Set-Cookie',
    'password',
    'passphrase',
    'secret',
    'token',
    'apiKey',
    'api_key',
    'api-key',
    'clientToken',
    'contact',
    'email',
    'phone',
    'plaintext',
    'privateKey',
  ])('hides what is called %s, however deep', (name) => {
    const value = { list: [{ [name]: { inner: 'hidden' } }], [name]: 'hidden', kept: 'seen' };
    expect(redact(value)).toEqual({ list: [{ [name]: '[redacted]' }], [name]: '[redacted]', kept: 'seen' });
  });

  it.each([
    ['key spk_ops-1_AbC-_123 used', 'key spk_ops-1_[redacted] used'],
    ['Authorization: Bearer abc.def', 'Authorization: Bearer [redacted]'],
    ['at postgresql://app:p%40ss@db:5432/x', 'at postgresql://app:[redacted]@db:5432/x'],
    ['https://example.org:8080/a@b', 'https://example.org:8080/a@b'],
    ['at postgresql://app:p@ss@db:5432/x', 'at postgresql://app:[redacted]@db:5432/x'],
    ['postgresql://a:b@c/d postgresql://e:f@g', 'postgresql://a:[redacted]@c/d postgresql://e:[redacted]@g'],
    ['nothing to hide', 'nothing to hide'],
  ])('masks credentials inside texts: %s', (text, masked) => {
    expect(redactText(text)).toBe(masked);
  });

  it('cuts what is long, and leaves no half of a credential where it cuts', () => {
    const room = 'x'.repeat(maxLoggedLength - 40);
    const end = `… (${maxLoggedLength + 160} characters)`;
    const cases = [
      [`${room} postgresql://app:${'p'.repeat(200)}@db`, `postgresql://app:[redacted]@`],
      [`${room} Bearer ${'t'.repeat(200)}`, 'Bearer [redacted]'],
      [`${room} spk_ops_${'s'.repeat(200)}`, 'spk_ops_[redacted]'],
    ] as const;
    for (const [text, shown] of cases) {
      const long = text.padEnd(maxLoggedLength + 160, '!').slice(0, maxLoggedLength + 160);
      expect(redactText(long)).toBe(`${room} ${shown}${end}`);
    }
    expect(redactText('a'.repeat(maxLoggedLength))).toHaveLength(maxLoggedLength);
    const many = redact({
      list: Array.from({ length: 5_000 }, (_, n) => n),
      map: Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`k${n}`, n])),
    }) as { list: unknown[]; map: object };
    expect(many.list).toHaveLength(100);
    expect(Object.keys(many.map)).toHaveLength(100);
  });

  it('ends with an error that is its own cause', () => {
    const error = new Error('round');
    error.cause = error;
    expect(JSON.stringify(redact({ error }))).toContain('[nested]');
  });

  it('shows errors by type, message, code, stack and causes, and no other property', () => {
    const cause = Object.assign(new Error('inner spk_a_b'), { detail: 'Key (email)=(a@b)' });
    const error = Object.assign(new TypeError('outer', { cause }), {
      code: '42P01',
      config: { data: 'payload' },
    });
    const shown = redact({ error }) as { error: Record<string, unknown> };
    expect(shown.error).toMatchObject({
      type: 'TypeError',
      message: 'outer',
      code: '42P01',
      stack_trace: expect.stringContaining('outer'),
      cause: { type: 'Error', message: 'inner spk_a_[redacted]' },
    });
    expect(JSON.stringify(shown)).not.toMatch(/payload|Key \(email\)/);
    const bare = new Error('bare', { cause: 'text' });
    delete (bare as { stack?: string }).stack;
    expect(redact(Object.assign(bare, { code: 5 }))).toEqual({ type: 'Error', message: 'bare' });
  });

  it('keeps numbers, booleans and dates, and goes no deeper than it must', () => {
    const at = new Date('2026-01-01T00:00:00Z');
    expect(redact([1, true, null, undefined, at])).toEqual([1, true, null, undefined, at.toISOString()]);
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    expect(JSON.stringify(redact(circular))).toContain('[nested]');
  });
});

describe('a log line', () => {
  it('is one JSON object with the names of the Elastic Common Schema', () => {
    const { logger, lines } = logged('info');
    logger.info('two\nlines', { 'url.path': '/x', token: 't' });
    expect(lines).toEqual([
      {
        '@timestamp': expect.stringMatching(/^\d{4}-.*Z$/),
        'log.level': 'info',
        message: 'two\nlines',
        'service.name': 'store-provisioning-platform',
        'url.path': '/x',
        token: '[redacted]',
      },
    ]);
  });

  it('carries the request it belongs to, and its caller once known', () => {
    const { logger, lines } = logged('info');
    expect(currentRequestContext()).toBeUndefined();
    const context = { requestId: 'r-1', traceId: 'a'.repeat(32) };
    runInRequestContext(context, () => logger.info('before'));
    runInRequestContext({ ...context, principalId: 'key:x' }, () => logger.info('after'));
    expect(lines[0]).toMatchObject({ 'http.request.id': 'r-1', 'trace.id': 'a'.repeat(32) });
    expect(lines[0]).not.toHaveProperty(['user.id']);
    expect(lines[1]).toMatchObject({ 'user.id': 'key:x' });
  });

  it('is not written below its level, nor by a silent logger', () => {
    const { logger, lines } = logged('warn');
    logger.info('no');
    logger.warn('yes');
    expect(lines).toHaveLength(1);
    const silent = logged('debug', true);
    silent.logger.error('no');
    expect(silent.lines).toEqual([]);
  });
});
