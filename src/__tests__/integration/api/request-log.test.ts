import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { withClient } from '../../../dev/postgres/admin-client.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { newStoreBody } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

type LogLine = Record<string, unknown>;

function lines(): LogLine[] {
  return service.logLines.map((line) => JSON.parse(line) as LogLine);
}

/** The line that ends a request. */
async function lineOf(response: { headers: Record<string, string> }): Promise<LogLine> {
  const id = response.headers['x-request-id'];
  return waitUntil(
    'the line of the request',
    () => lines().find((line) => line['http.request.id'] === id && line['event.duration'] !== undefined),
    { timeoutMs: 5_000 },
  );
}

describe('the log line of a request', () => {
  it('has its duration in ns and in ms', async () => {
    const line = await lineOf(await service.get('/api/stores').expect(200));
    expect(Number.isInteger(line['event.duration'])).toBe(true);
    expect(line['event.duration_ms']).toBeCloseTo((line['event.duration'] as number) / 1e6, 1);
    expect(line).not.toHaveProperty(['error.code']);
  });

  it('has the store that was made, or changed', async () => {
    const created = await service.post('/api/stores', newStoreBody()).expect(201);
    const { id } = created.body as { id: string };
    expect(await lineOf(created)).toMatchObject({ 'store.id': id, 'store.version': 1 });
    const path = `/api/stores/${id}`;
    const replaced = await service.put(path, { ...created.body, name: 'Other' }).expect(200);
    expect(await lineOf(replaced)).toMatchObject({ 'store.id': id, 'store.version': 2 });
    const removed = await service.delete(path).set('If-Match', '"v2"').expect(200);
    expect(await lineOf(removed)).toMatchObject({ 'store.id': id, 'store.version': 3 });
  });

  it('says why, where and for which store a write was refused, and never what was sent', async () => {
    const { body: store } = await service.post('/api/stores', newStoreBody()).expect(201);
    const path = `/api/stores/${String(store.id)}`;
    const contact = { name: 'Secret Name', email: 'secret.value', phone: 'secret' };
    const body = { ...store, contact, currency: 'secret', 'secret@example.com': 1, secretName: 'x' };
    const invalid = await service.put(path, body).expect(422);
    expect(await lineOf(invalid)).toMatchObject({
      'store.id': store.id,
      'error.code': 'validation_failed',
      'error.pointers': expect.arrayContaining(['#/contact/email', '#/contact/phone', '#/currency', '#/…']),
    });
    expect(JSON.stringify(await lineOf(invalid))).not.toMatch(/secret/i);
    const stale = await service.put(path, { ...store, version: 7 }).expect(409);
    expect(await lineOf(stale)).toMatchObject({ 'store.id': store.id, 'error.code': 'version_conflict' });
    const forbidden = await service.put(path, store as object, 'viewer').expect(403);
    expect(await lineOf(forbidden)).toMatchObject({ 'store.id': store.id, 'error.code': 'forbidden' });
    const taken = await service.post('/api/stores', newStoreBody({ code: store.code })).expect(409);
    expect(await lineOf(taken)).toMatchObject({ 'error.code': 'store_code_taken' });
    const parameters = await service.get('/api/stores?limit=x&secret@=1').expect(400);
    expect(await lineOf(parameters)).toMatchObject({
      'error.code': 'invalid_parameter',
      'error.pointers': ['limit', '…'],
    });
  });
});

describe('log lines of what goes on in the background', () => {
  it('carry no request and no caller, whichever request began it', async () => {
    const isBackground = (line: LogLine): boolean => line['message'] === 'A database node has a new state';
    // opens connections, and is the caller that what comes of them later could be blamed on
    await Promise.all(
      Array.from({ length: 8 }, () => service.post('/api/stores', newStoreBody()).expect(201)),
    );
    const before = lines().filter(isBackground).length;
    // the connections over which nodes are looked at are the oldest; the newest was opened for one of those requests
    await withClient(service.database.appUrl, (client) =>
      client.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'store-provisioning-platform'
         ORDER BY backend_start DESC LIMIT 3`,
      ),
    );
    await waitUntil('the loss to be seen', () => lines().filter(isBackground).length > before, {
      timeoutMs: 10_000,
    });
    for (const line of lines().filter(isBackground)) {
      expect(line).not.toHaveProperty(['http.request.id']);
      expect(line).not.toHaveProperty(['user.id']);
    }
  });
});

describe('answers end with a line end for curl, and for no other client', () => {
  it.each([
    ['GET', '/api/stores', 'operator'],
    ['GET', '/api/stores?status=x', 'operator'],
    ['GET', '/health', 'operator'],
    ['GET', '/health/ready', undefined],
    ['GET', '/admin/breakers', 'admin'],
    ['GET', '/nothing', undefined],
  ] as const)('%s %s', async (method, path, caller) => {
    const answers = await Promise.all(
      ['curl/8.5.0', 'till-sync/1.0 (curl/8.5.0)'].map(async (agent) => {
        const ask = (verb: string) => service.request(verb, path, caller).set('User-Agent', agent);
        const [answer, head] = [await ask(method), await ask('HEAD')];
        expect(answer.headers['content-length']).toBe(String(Buffer.byteLength(answer.text)));
        expect(head.status).toBe(answer.status);
        expect(head.text).toBeFalsy();
        return answer.text;
      }),
    );
    expect(answers).toEqual([expect.stringMatching(/\}\n$/), expect.stringMatching(/\}$/)]);
    expect(answers[1]).not.toMatch(/\n$/);
  });
});
