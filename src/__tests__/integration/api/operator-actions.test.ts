import { describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../../dev/wait-until.js';
import { queryDatabase } from '../../helpers/created-store.js';
import { queueWrite } from '../../helpers/parked-writes.js';
import { useProxiedServices } from '../../helpers/proxied-service.js';
import { actionsOn, dropEntry, listQueue, showEntry } from '../../helpers/queue-admin.js';
import type { Body } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

const lab = useProxiedServices();

describe('what an operator does while the database is away', () => {
  it('waits in the journal, and is in the record once when the database is back', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    await instance.loseDatabase();
    const isolate = '/admin/breakers/database-primary/isolate';
    const restore = '/admin/breakers/database-primary/restore';
    const because = { reason: 'the disk is replaced' };
    await instance.send('post', isolate, because, 'admin').set('X-Request-Id', 'away-1').expect(200);
    const { items } = await listQueue(instance, '?state=queued');
    expect(items).toEqual([
      expect.objectContaining({ kind: 'operator.action', acceptedBy: 'key:test-admin' }),
    ]);
    const [entry] = items;
    expect(entry).not.toHaveProperty('storeId');
    const { body: detail } = await showEntry(instance, entry?.['id']).expect(200);
    expect(detail.write).toMatchObject({ action: 'breaker.isolated', ...because });
    await waitUntil(
      'a moment without an attempt',
      async () => (await dropEntry(instance, entry?.['id'])).body.code === 'journal_entry_state',
      { timeoutMs: 20_000 },
    );
    await instance.send('post', restore, { reason: 'it is back' }, 'admin').expect(200);

    instance.returnDatabase();
    const actions = await waitUntil(
      'the record',
      async () => {
        const rows = await actionsOn(service, 'database-primary');
        return rows.length === 2 && rows;
      },
      { timeoutMs: 30_000 },
    );
    expect(actions).toMatchObject([
      { id: entry?.['id'], action: 'breaker.isolated', reason: because.reason, request_id: 'away-1' },
      { action: 'breaker.restored', reason: 'it is back' },
    ]);
    const { body } = await instance.send('get', `/api/operations/${String(entry?.['id'])}`).expect(404);
    expect(body.code).toBe('operation_not_found');
  });

  it('is not done if nothing can record it', async () => {
    const instance = await lab().services.start({ JOURNAL_MAX_ENTRIES: '1' });
    await instance.loseDatabase();
    await queueWrite(instance);
    const { body } = await instance
      .send('post', '/admin/breakers/vault-decrypt/isolate', { reason: 'x' }, 'admin')
      .expect(503);
    expect(body.code).toBe('journal_full');
    const { body: health } = await instance.send('get', '/health', undefined, 'viewer').expect(200);
    expect(health).toMatchObject({ status: 'degraded', queue: { accepting: false } });
    expect(health.breakers).toContainEqual(
      expect.objectContaining({ name: 'vault-decrypt', state: 'closed' }),
    );
  });
});

describe('GET /admin/actions', () => {
  it('shows what was done, newest first, page by page', async () => {
    const own = await TestService.start();
    try {
      for (const reason of ['one', 'two', 'three']) {
        await own.post('/admin/breakers/vault-decrypt/restore', { reason }, 'admin').expect(200);
      }
      const { body: page } = await own.get('/admin/actions?limit=2', 'admin').expect(200);
      const reasons = (items: Body[]): unknown[] => items.map(({ reason }) => reason);
      expect(reasons(page.items as Body[])).toEqual(['three', 'two']);
      expect(page.items[0]).toEqual({
        id: expect.any(String),
        at: expect.stringMatching(/Z$/),
        actor: 'key:test-admin',
        action: 'breaker.restored',
        target: 'vault-decrypt',
        reason: 'three',
        requestId: expect.any(String),
      });
      const next = `/admin/actions?limit=2&cursor=${String(page.next)}`;
      const { body: rest } = await own.get(next, 'admin').expect(200);
      expect(reasons(rest.items as Body[])).toEqual(['one']);
      expect(rest).not.toHaveProperty('next');
      await own.get('/admin/actions?cursor=forged', 'admin').expect(400);
    } finally {
      await own.stop();
    }
  });

  it('cannot be changed, whoever asks', async () => {
    const { service } = lab();
    await service.post('/admin/breakers/vault-decrypt/restore', { reason: 'one' }, 'admin').expect(200);
    for (const sql of ['DELETE FROM operator_actions', `UPDATE operator_actions SET reason = 'other'`]) {
      await expect(queryDatabase(service, sql)).rejects.toThrow('not allowed');
    }
  });
});
