import { randomUUID } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../../dev/wait-until.js';
import { queryDatabase } from '../../helpers/created-store.js';
import { parkWrite, queueWrite } from '../../helpers/parked-writes.js';
import { type Proxied, useProxiedServices } from '../../helpers/proxied-service.js';
import {
  actionsOn,
  dropEntry,
  dropQueued,
  listQueue,
  requeueEntry,
  showEntry,
} from '../../helpers/queue-admin.js';
import { type Body, newStoreBody } from '../../helpers/store-samples.js';

const lab = useProxiedServices();

const contact = { name: 'Canary Person', email: 'canary@example.org', phone: '+4930123456' };

const parkPoison = (instance: Proxied) =>
  parkWrite(instance, lab().service.database, newStoreBody({ contact }));

describe('the queue', () => {
  it('shows admins what waits, page by page, and how much it holds', async () => {
    const instance = await lab().services.start();
    await instance.loseDatabase();
    const first = await queueWrite(instance);
    const second = await queueWrite(instance);
    const page = await listQueue(instance, '?state=queued&limit=1');
    expect(page.items).toEqual([
      {
        id: first['id'],
        state: 'queued',
        kind: 'store.create',
        storeId: first['storeId'],
        acceptedAt: first['acceptedAt'],
        acceptedBy: 'key:test-operator',
        attempts: 0,
        bytes: expect.any(Number),
      },
    ]);
    expect(page.stats).toMatchObject({ queued: 2, parked: 0, unconfirmed: 0, settled: 0 });
    const rest = await listQueue(instance, `?state=queued&limit=1&cursor=${String(page.next)}`);
    expect(rest.items.map(({ id }) => id)).toEqual([second['id']]);
    expect(rest).not.toHaveProperty('next');
    expect((await listQueue(instance, '?state=parked')).items).toEqual([]);
    const mismatch = `/admin/queue?state=parked&cursor=${String(page.next)}`;
    const { body } = await instance.send('get', mismatch, undefined, 'admin').expect(400);
    expect(body.code).toBe('cursor_mismatch');
    for (const state of ['lost', '']) {
      const path = `/admin/queue?state=${state}`;
      const { body: problem } = await instance.send('get', path, undefined, 'admin').expect(400);
      expect(problem.errors).toEqual([expect.objectContaining({ parameter: 'state', code: 'not_allowed' })]);
    }
  });

  it('is measured as it is when that is asked for', async () => {
    const instance = await lab().services.start();
    const queued = async (): Promise<string | undefined> => {
      const { text } = await instance.send('get', '/metrics').expect(200);
      return /^journal_entries\{state="queued"\} (\d+)$/m.exec(text)?.[1];
    };
    await instance.loseDatabase();
    expect(await queued()).toBe('0');
    await queueWrite(instance);
    expect(await queued()).toBe('1');
    await queueWrite(instance);
    expect(await queued()).toBe('2');
  });

  it('is for admins only', async () => {
    const { service } = lab();
    const id = randomUUID();
    for (const caller of ['viewer', 'operator'] as const) {
      await service.get('/admin/queue', caller).expect(403);
      await service.get(`/admin/queue/${id}`, caller).expect(403);
      await service.post(`/admin/queue/${id}/drop`, { reason: 'x' }, caller).expect(403);
      await service.post(`/admin/queue/${id}/requeue`, { reason: 'x' }, caller).expect(403);
      await service.get('/admin/actions', caller).expect(403);
    }
  });

  it('knows no entry that there is not, and no id that is none', async () => {
    const { service } = lab();
    for (const path of [`/admin/queue/${randomUUID()}`, '/admin/queue/nonsense']) {
      const [status, code] = path.endsWith('nonsense')
        ? [400, 'malformed_id']
        : [404, 'journal_entry_not_found'];
      expect((await service.get(path, 'admin').expect(status)).body.code).toBe(code);
      for (const change of ['drop', 'requeue']) {
        const { body } = await service.post(`${path}/${change}`, { reason: 'x' }, 'admin').expect(status);
        expect(body.code).toBe(code);
      }
    }
    await service.post(`/admin/queue/${randomUUID()}/drop`, {}, 'admin').expect(422);
  });

  it('shows what an entry would write, without personal data, or why it cannot', async () => {
    const instance = await lab().services.start();
    await instance.loseDatabase();
    const body = newStoreBody({ contact });
    const operation = await queueWrite(instance, body);
    const response = await showEntry(instance, operation['id']).expect(200);
    expect(response.body.write).toEqual({
      kind: 'store.create',
      storeId: operation['storeId'],
      input: expect.objectContaining({ code: body['code'], contact: '[redacted]' }),
    });
    expect(response.text).not.toMatch(/Canary|canary@|30123456/);
    instance.returnDatabase();
    await instance.expectEnd(operation['id'], { status: 'SUCCEEDED' });
    const settled = await waitUntil(
      'the end of the entry',
      async () => {
        const { body: entry } = (await showEntry(instance, operation['id']).expect(200)) as { body: Body };
        return entry['state'] === 'applied' && entry;
      },
      { timeoutMs: 10_000 },
    );
    expect(settled).toMatchObject({ unreadable: 'not_kept', settledAt: expect.any(String) });
    expect(settled).not.toHaveProperty('write');
    expect(settled).not.toHaveProperty('parkedAt');
  });

  it('says so where an entry cannot be decrypted for want of a key', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    const { operation, cure } = await parkPoison(instance);
    await instance.close();
    await cure();
    // one that has no key at hand yet
    const next = await services.start({ JOURNAL_DIR: instance.journalFolder });
    await listQueue(next);
    service.vault.server.state.isSealed = true;
    try {
      const { body } = await showEntry(next, operation['id']).expect(200);
      expect(body).toMatchObject({ state: 'parked', unreadable: 'encryption_unavailable' });
      expect(body).not.toHaveProperty('write');
    } finally {
      service.vault.server.state.isSealed = false;
    }
  });
});

describe('a poison entry', () => {
  it('is parked while the others proceed, makes the service degraded, and is made once it is requeued and mended', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    const { operation, cure } = await parkPoison(instance);
    const { items } = await listQueue(instance, '?state=parked');
    expect(items).toEqual([
      expect.objectContaining({
        id: operation['id'],
        attempts: 5,
        reason: expect.stringMatching(/5 times.*P0001/),
      }),
    ]);
    const { body: parked } = await instance
      .send('get', `/api/operations/${String(operation['id'])}`)
      .expect(200);
    expect(parked).toMatchObject({ status: 'PARKED', attempts: 5, parkedAt: items[0]?.['parkedAt'] });
    expect(parked.parkedAt).toEqual(expect.any(String));
    expect(parked).not.toHaveProperty('finishedAt');
    // it has not come to an end
    expect(items[0]).not.toHaveProperty('settledAt');
    for (const fact of [parked.parkedAt, '5 times', 'P0001', 'An operator', 'again', 'drop']) {
      expect(parked.reason).toContain(fact);
    }
    expect(parked.reason).not.toContain('nobody foresaw');
    const { body: health } = await instance.send('get', '/health', undefined, 'viewer').expect(200);
    expect(health).toMatchObject({ status: 'degraded', queue: { parked: 1, queued: 0, accepting: true } });

    await cure();
    const requeued = await requeueEntry(instance, operation['id'], 'the trigger is gone').expect(200);
    expect(requeued.body.id).toBe(operation['id']);
    await instance.expectEnd(operation['id'], { status: 'SUCCEEDED' });
    await service.get(`/api/stores/${String(operation['storeId'])}`).expect(200);
    expect(await actionsOn(service, operation['id'])).toMatchObject([
      { action: 'queue.requeued', actor: 'key:test-admin', reason: 'the trigger is gone' },
    ]);
    const again = await requeueEntry(instance, operation['id']).expect(409);
    expect(again.body).toMatchObject({ code: 'journal_entry_state', metadata: { state: 'applied' } });
    expect(await actionsOn(service, operation['id'])).toHaveLength(1);
  });

  it('ends FAILED for everybody when it is dropped, with a copy and a record of who did it', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    const { operation, cure } = await parkPoison(instance);
    const id = String(operation['id']);
    const { body: dropped } = await dropEntry(instance, id, 'test data')
      .set('X-Request-Id', 'drop-1')
      .expect(200);
    expect(dropped).toMatchObject({
      state: 'refused',
      reason: expect.stringMatching(/^dropped_by_operator: /),
    });
    await cure();

    const problem = { code: 'dropped_by_operator', status: 409, retryable: false };
    await instance.expectEnd(id, { status: 'FAILED', durability: 'journal', problem });
    const { body: elsewhere } = await service.get(`/api/operations/${id}`).expect(200);
    expect(elsewhere).toMatchObject({ status: 'FAILED', durability: 'database', problem });
    expect(await actionsOn(service, id)).toMatchObject([
      { action: 'queue.dropped', actor: 'key:test-admin', reason: 'test data', request_id: 'drop-1' },
    ]);

    const path = join(instance.journalFolder, 'dropped', `${id}.json`);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const text = await readFile(path, 'utf8');
    expect(text).not.toMatch(/Canary|canary@|30123456/);
    expect(JSON.parse(text)).toMatchObject({
      id,
      state: 'parked',
      sealedPayload: expect.any(String),
      dropped: { by: 'key:test-admin', reason: 'test data' },
    });

    expect((await dropEntry(instance, id).expect(409)).body.code).toBe('journal_entry_state');
    expect((await requeueEntry(instance, id).expect(409)).body.code).toBe('journal_entry_state');
    expect((await showEntry(instance, id).expect(200)).body).toMatchObject({ unreadable: 'not_kept' });
    const { body: health } = await instance.send('get', '/health', undefined, 'viewer').expect(200);
    expect(health.queue).toMatchObject({ parked: 0 });
  });
});

describe('a queued write', () => {
  it('is never made once it was dropped, and whoever waits for its end hears of it at once', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    await instance.loseDatabase();
    const [unwanted, wanted] = [await queueWrite(instance), await queueWrite(instance)];
    const waiting = instance.expectEnd(unwanted['id'], { status: 'FAILED' });
    await dropQueued(instance, unwanted['id']);
    await waiting;
    // the database could not be told
    expect(await actionsOn(service, unwanted['id'])).toEqual([]);
    instance.returnDatabase();
    await instance.expectEnd(wanted['id'], { status: 'SUCCEEDED' });
    await service.get(`/api/stores/${String(unwanted['storeId'])}`).expect(404);
    await instance.expectEnd(unwanted['id'], { status: 'FAILED', problem: { code: 'dropped_by_operator' } });
    const actions = await waitUntil(
      'the record',
      async () => {
        const rows = await actionsOn(service, unwanted['id']);
        return rows.length > 0 && rows;
      },
      { timeoutMs: 10_000 },
    );
    expect(actions).toMatchObject([{ action: 'queue.dropped' }]);
  });

  it('stays if no copy of it can be kept', async () => {
    const instance = await lab().services.start();
    const { operation, cure } = await parkPoison(instance);
    await writeFile(join(instance.journalFolder, 'dropped'), 'in the way');
    const { body } = await dropEntry(instance, operation['id']).expect(503);
    expect(body).toMatchObject({ code: 'journal_unavailable', retryable: true });
    expect((await showEntry(instance, operation['id'])).body.state).toBe('parked');
    await cure();
  });

  it('that the database has already is not dropped', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    const { operation, cure } = await parkPoison(instance);
    await queryDatabase(
      service,
      `INSERT INTO operations VALUES ($1, 'store.create', $2, 'SUCCEEDED', now(), 'x', 0, now(), 1, NULL)`,
      [operation['id'], operation['storeId']],
    );
    const { body } = await dropEntry(instance, operation['id']).expect(409);
    expect(body).toMatchObject({ code: 'journal_entry_state', metadata: { state: 'parked' } });
    expect(await actionsOn(service, operation['id'])).toEqual([]);
    await cure();
  });
});
