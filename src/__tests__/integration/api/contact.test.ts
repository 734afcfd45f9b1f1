import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import supertest from 'supertest';
import { withClient } from '../../../dev/postgres/admin-client.js';
import { loadConfig } from '../../../shared/config/config.js';
import { DependencyUnavailableError } from '../../../shared/errors/app-error.js';
import { createContext } from '../../../store-service/context.js';
import { createStore } from '../../helpers/created-store.js';
import { type Body, newStoreBody } from '../../helpers/store-samples.js';
import { makeApp, noDatabase, recordingLogger } from '../../helpers/test-app.js';
import { testEnvironment, TestService, tokenOf } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

/** Parts that appear nowhere else. */
const canary = 'zqcanary';
const contact = { name: `Erika ${canary}`, email: `${canary}@example.org`, phone: '+493077881199' };
const leaks = new RegExp(`${canary}|77881199`, 'i');

const create = () => createStore(service, newStoreBody({ contact }));

/** As a fault of the storage would. */
async function damage(id: unknown): Promise<void> {
  await withClient(service.database.ownerUrl, (client) =>
    client.query(
      `UPDATE stores SET contact = contact || '{"tag": "AAAAAAAAAAAAAAAAAAAAAA=="}' WHERE id = $1`,
      [id],
    ),
  );
}

/** Everything that the database holds, as text. */
async function readDatabase(): Promise<string> {
  return withClient(service.database.ownerUrl, async (client) => {
    const tables = ['stores', 'store_audit', 'idempotency_keys'];
    const lines: string[] = [];
    for (const table of tables) {
      const { rows } = await client.query<{ row: string }>(
        `SELECT row_to_json(t)::text AS row FROM ${table} t`,
      );
      lines.push(...rows.map(({ row }) => row));
    }
    return lines.join('\n');
  });
}

describe('a contact', () => {
  it('is shown to operators and above, in what they write and read', async () => {
    const { path, store } = await create();
    expect(store['contact']).toEqual(contact);
    expect((await service.get(path, 'operator').expect(200)).body.contact).toEqual(contact);
    expect((await service.get(path, 'admin').expect(200)).body.contact).toEqual(contact);
  });

  it('is shown to viewers nowhere', async () => {
    const { path, store } = await create();
    await service.put(path, { ...store, contact: { ...contact, phone: '+4930778811990' } }).expect(200);
    const { contact: _contact, ...rest } = (await service.get(path).expect(200)).body as Body;
    const seen = await service.get(path, 'viewer').expect(200);
    expect(seen.body).toEqual(rest);
    const list = await service.get('/api/stores?limit=200', 'viewer').expect(200);
    const history = await service.get(`${path}/history`, 'viewer').expect(200);
    for (const { text } of [seen, list, history]) expect(text).not.toMatch(leaks);
  });

  it('is encrypted at rest, also in the trail and beside idempotency keys', async () => {
    const { path, store } = await create();
    const body = newStoreBody({ contact });
    const send = () => service.post('/api/stores', body).set('Idempotency-Key', 'contact-key');
    await send().expect(201);
    expect((await send().expect(201)).body.contact).toEqual(contact);
    await service
      .put(path, { ...store, contact: { ...contact, name: `Max ${canary}` } })
      .set('Idempotency-Key', 'contact-change')
      .expect(200);
    const rows = await readDatabase();
    expect(rows).toContain('contact-key');
    expect(rows).not.toMatch(leaks);
    expect(rows).not.toContain(Buffer.from(canary).toString('base64').slice(0, 10));
  });

  it('has another ciphertext in every store, and opens in no other', async () => {
    const [one, two] = [await create(), await create()];
    await withClient(service.database.ownerUrl, async (client) => {
      const { rows } = await client.query('SELECT contact FROM stores WHERE id = ANY($1)', [
        [one.store['id'], two.store['id']],
      ]);
      expect(rows).toHaveLength(2);
      expect(rows[0]).not.toEqual(rows[1]);
      await client.query(
        'UPDATE stores SET contact = (SELECT contact FROM stores WHERE id = $1) WHERE id = $2',
        [one.store['id'], two.store['id']],
      );
    });
    const moved = await service.get(two.path).expect(500);
    expect(moved.body).toEqual({
      type: '/problems/contact_unreadable',
      title: 'Contact cannot be read',
      status: 500,
      detail: 'The contact of the store cannot be decrypted any more',
      instance: two.path,
      code: 'contact_unreadable',
      requestId: expect.any(String),
      retryable: false,
    });
    expect(moved.get('Retry-After')).toBeUndefined();
    await service.get(two.path, 'viewer').expect(200);
    const { text } = await service.request('GET', '/metrics').expect(200);
    expect(text).toMatch(/^vault_security_events_total\{event="field_refused"\} [1-9]/m);
  });

  it('is redacted in the history: that it changed is said, not to what', async () => {
    const { path, store } = await create();
    await service.put(path, { ...store, contact: { ...contact, name: 'Max' }, name: 'x' }).expect(200);
    await service.put(path, { ...store, contact: undefined, name: 'x', version: 2 }).expect(200);
    const { body } = await service.get(`${path}/history`, 'admin').expect(200);
    const redacted = { path: '/contact', redacted: true };
    const [removed, replaced, created] = body.items as { changes: unknown[] }[];
    expect(removed?.changes).toEqual([redacted]);
    expect(replaced?.changes).toContainEqual(redacted);
    expect(created?.changes).toContainEqual(redacted);
  });

  it('that stays as it is keeps its ciphertext, so that the store stays as it is', async () => {
    const { path, store } = await create();
    const before = await readDatabase();
    await service.put(path, store).expect(200);
    expect((await service.put(path, { ...store, name: 'x' }).expect(200)).body.contact).toEqual(contact);
    const { body } = await service.get(`${path}/history`).expect(200);
    expect((body.items as { changes: unknown[] }[])[0]?.changes).toEqual([
      { path: '/name', from: store['name'], to: 'x' },
    ]);
    const envelope = /"data":"[^"]+"/g;
    for (const part of (await readDatabase()).match(envelope) ?? []) expect(before).toContain(part);
  });

  it('reaches no log line, whether requests succeed or fail', async () => {
    const { path, store } = await create();
    await service.put(path, store).expect(200);
    await service
      .post('/api/stores', newStoreBody({ contact: { ...contact, [canary]: canary } }))
      .expect(422);
    await service.post('/api/stores', newStoreBody({ contact: { ...contact, email: canary } })).expect(422);
    await service.post('/api/stores', newStoreBody({ contact, code: store['code'] })).expect(409);
    await service.put(path, { ...store, version: 9 }).expect(409);
    await service.get(`/api/stores?q=${canary}`).expect(200);
    const broken = makeApp({
      database: {
        ...noDatabase,
        transaction: () => Promise.reject(new Error('away', { cause: { contact } })),
      },
    });
    const request = supertest(broken.app).post('/api/stores').set('Authorization', 'Bearer t');
    const response = await request.send(newStoreBody({ contact })).expect(500);
    expect(response.text).not.toMatch(leaks);
    for (const lines of [service.logLines, broken.logLines]) {
      expect(lines.length).toBeGreaterThan(0);
      expect(lines.join('')).not.toMatch(leaks);
    }
  });

  it('that cannot be opened keeps its store from being decommissioned: 503, and nothing was done', async () => {
    const { body: store } = await service.post('/api/stores', newStoreBody({ contact })).expect(201);
    const config = loadConfig(
      testEnvironment({ DATABASE_URLS: service.database.appUrl, ...service.vault.environment }),
    );
    // a process that has opened no contact yet, so that no key is at hand
    const other = await createContext(config, { logger: recordingLogger().logger });
    const authorization = `Bearer ${tokenOf('operator')}`;
    try {
      await supertest(other.app).get('/api/stores').set('Authorization', authorization).expect(200);
      service.vault.server.state.isSealed = true;
      const response = await supertest(other.app)
        .delete(`/api/stores/${store.id}`)
        .set('Authorization', authorization)
        .set('If-Match', '"v1"');
      expect(response.status).toBe(503);
      expect(response.body).toMatchObject({ code: 'encryption_unavailable' });
    } finally {
      service.vault.server.state.isSealed = false;
      await other.close();
    }
    const { body: after } = await service.get(`/api/stores/${store.id}`).expect(200);
    expect(after).toEqual(store);
  });

  it('that was damaged can be replaced', async () => {
    const { body: store } = await service.post('/api/stores', newStoreBody({ contact })).expect(201);
    await damage(store.id);
    const { body: replaced } = await service.put(`/api/stores/${store.id}`, store).expect(200);
    expect(replaced).toMatchObject({ version: 2, contact });
  });

  it('that was damaged keeps its store from being decommissioned until it is replaced or removed', async () => {
    const { path, store } = await create();
    await damage(store['id']);
    const refused = await service.delete(path).set('If-Match', '"v1"').expect(500);
    expect(refused.body).toMatchObject({ code: 'contact_unreadable', retryable: false });
    const { body: seen } = await service.get(path, 'viewer').expect(200);
    expect(seen).toMatchObject({ version: 1, status: store['status'] });
    await service.put(path, { ...store, contact: undefined }).expect(200);
    await service.delete(path).set('If-Match', '"v2"').expect(200);
  });

  it('is not accepted in the clear when there is no key: 503, nothing is stored', async () => {
    const away = () =>
      Promise.reject(
        new DependencyUnavailableError('security_unavailable', 'No key', { retryAfterMs: 1_000 }),
      );
    const { app } = makeApp({ cipher: { encrypt: away, decrypt: away } });
    const send = (body: Body) =>
      supertest(app).post('/api/stores').set('Authorization', 'Bearer t').send(body);
    const response = await send(newStoreBody({ contact })).expect(503);
    expect(response.get('Retry-After')).toBe('1');
  });
});
