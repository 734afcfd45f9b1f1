import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

const uuidv7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The access log's lines of one request. */
function linesOf(requestId: string): Record<string, unknown>[] {
  return service.logLines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line['http.request.id'] === requestId && line['http.request.method'] !== undefined);
}

describe('X-Request-Id', () => {
  it.each(['a', 'trace-1.2_3', 'A'.repeat(128)])('is taken over when well-formed: %s', async (id) => {
    const response = await service.get('/api/stores').set('X-Request-Id', id).expect(200);
    expect(response.get('X-Request-Id')).toBe(id);
    expect(linesOf(id)).toHaveLength(1);
  });

  it.each(['', 'two words', 'A'.repeat(129), 'ünïcode', 'a,b', '<script>', '{"x":1}', 'a;b'])(
    'is made anew, as a UUIDv7, when it is not: %j',
    async (id) => {
      const response = await service.get('/api/stores').set('X-Request-Id', id).expect(200);
      expect(response.get('X-Request-Id')).toMatch(uuidv7);
    },
  );

  it('is in every problem and in its log line', async () => {
    const response = await service
      .get('/api/stores/nonsense')
      .set('X-Request-Id', 'problem-request')
      .expect(400);
    expect(response.body.requestId).toBe('problem-request');
    const made = await service.request('GET', '/api/stores').expect(401);
    expect(made.body.requestId).toMatch(uuidv7);
    expect(made.body.requestId).toBe(made.get('X-Request-Id'));
  });

  it('stands in the access log, with who called, how long it took and what was answered', async () => {
    await service.get('/api/stores?q=secret-term').set('X-Request-Id', 'access-log').expect(200);
    expect(linesOf('access-log')).toEqual([
      expect.objectContaining({
        message: 'Request answered',
        'http.request.method': 'GET',
        'url.path': '/api/stores',
        'http.response.status_code': 200,
        'user.id': 'key:test-operator',
        'event.duration': expect.any(Number),
      }),
    ]);
    expect(service.logLines.join('')).not.toContain('secret-term');
  });
});

describe('traceparent', () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c';

  it('gives the log lines its trace id', async () => {
    await service
      .get('/api/stores')
      .set({ 'X-Request-Id': 'traced', traceparent: `00-${traceId}-b7ad6b7169203331-01` })
      .expect(200);
    expect(linesOf('traced')[0]).toMatchObject({ 'trace.id': traceId });
  });

  it.each([
    '00-00000000000000000000000000000000-b7ad6b7169203331-01',
    `00-${traceId}-0000000000000000-01`,
    `ff-${traceId}-b7ad6b7169203331-01`,
    `00-${traceId.toUpperCase()}-b7ad6b7169203331-01`,
    `00-${traceId}-b7ad6b7169203331`,
    'nonsense',
  ])('is left aside when it is not valid: %s', async (traceparent) => {
    const id = `untraced-${Math.random().toString(36).slice(2)}`;
    await service.get('/api/stores').set({ 'X-Request-Id': id, traceparent }).expect(200);
    const [line] = linesOf(id);
    expect(line?.['trace.id']).toMatch(/^[0-9a-f]{32}$/);
    expect(line?.['trace.id']).not.toBe(traceId);
  });
});
