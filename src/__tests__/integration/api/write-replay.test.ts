import { describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { withClient } from '../../../dev/postgres/admin-client.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { WriteJournal } from '../../../shared/resilience/write-journal.js';
import { queryDatabase } from '../../helpers/created-store.js';
import { journalOptions } from '../../helpers/journal-samples.js';
import { type Proxied, useProxiedServices } from '../../helpers/proxied-service.js';
import { type Body, newStoreBody } from '../../helpers/store-samples.js';

const lab = useProxiedServices();

async function countOf(body: Body): Promise<number | null> {
  const { rowCount } = await queryDatabase(lab().service, 'SELECT FROM stores WHERE code = $1', [
    body['code'],
  ]);
  return rowCount;
}

describe('a queued write whose idempotency key is locked by another session', () => {
  it('waits for it, and is made once: it is neither parked nor refused', async () => {
    const { service, services } = lab();
    const instance = await services.start({ DATABASE_LOCK_TIMEOUT_MS: '300' });
    await instance.loseDatabase();
    const body = newStoreBody();
    const key = `locked-${String(body['code'])}`;
    const { body: operation } = await instance
      .send('post', '/api/stores', body)
      .set('Idempotency-Key', key)
      .expect(202);
    const other = new pg.Client(service.database.ownerUrl);
    await other.connect();
    try {
      await other.query('BEGIN');
      await other.query(
        `INSERT INTO idempotency_keys (principal, key, fingerprint, created_at)
         VALUES ('key:test-operator', $1, sha256('other'), now())`,
        [key],
      );
      const lockedAtMs = performance.now();
      instance.returnDatabase();
      await waitUntil(
        'more than 3 s, and attempts that meet the lock',
        () =>
          performance.now() - lockedAtMs > 3_000 &&
          instance.logLines.filter((line) => line.includes('queued_writes_ahead')).length >= 2,
        { timeoutMs: 30_000 },
      );
      const { body: waiting } = await instance.send('get', `/api/operations/${String(operation.id)}`);
      expect(waiting).toMatchObject({ status: 'QUEUED', attempts: 0 });
      await other.query('ROLLBACK');
    } finally {
      await other.end();
    }
    await instance.expectEnd(operation.id, { status: 'SUCCEEDED', attempts: 0 });
    expect(await countOf(body)).toBe(1);
    const again = await instance.send('post', '/api/stores', body).set('Idempotency-Key', key).expect(201);
    expect(again.body.id).toBe(operation.storeId);
  }, 60_000);
});

describe('a write of a caller whose key was revoked since', () => {
  /** What a failover does that loses a store: the journal of the instance has it still. */
  async function loseStore(instance: Proxied, storeId: string): Promise<string[]> {
    await withClient(lab().service.database.ownerUrl, async (client) => {
      await client.query(
        'ALTER TABLE store_audit DISABLE TRIGGER USER; ALTER TABLE stores DISABLE TRIGGER USER',
      );
      await client.query('DELETE FROM store_audit WHERE store_id = $1', [storeId]);
      await client.query('DELETE FROM stores WHERE id = $1', [storeId]);
      await client.query('DELETE FROM idempotency_keys');
      await client.query(
        'ALTER TABLE store_audit ENABLE TRIGGER USER; ALTER TABLE stores ENABLE TRIGGER USER',
      );
    });
    const journal = await WriteJournal.open(journalOptions(instance.journalFolder));
    await journal.redrive(() => true);
    const { items } = await journal.list({ state: 'queued' });
    await journal.close();
    return items.map(({ id }) => id);
  }

  it('is made again after a failover took it back: it was permitted when it was made', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    // no standby confirms it
    instance.proxies[1].refuse();
    const body = newStoreBody();
    const { body: store } = await instance.send('post', '/api/stores', body, 'second').expect(201);
    await instance.close();
    const [operation, ...others] = await loseStore(instance, String(store.id));
    expect(others).toEqual([]);
    expect(await countOf(body)).toBe(0);
    await service.revokeKey('second');
    try {
      const next = await services.start({ JOURNAL_DIR: instance.journalFolder });
      await next.expectEnd(operation, { status: 'SUCCEEDED', result: { storeId: store.id, version: 1 } });
      expect(await countOf(body)).toBe(1);
    } finally {
      await service.changeRole('second', 'operator');
    }
  });

  it('is refused while it was only accepted: everything is checked when it is made', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    await instance.loseDatabase();
    const body = newStoreBody();
    const { body: operation } = await instance.send('post', '/api/stores', body, 'second').expect(202);
    await instance.close();
    await service.revokeKey('second');
    try {
      // one that does not remember the caller
      const next = await services.start({ JOURNAL_DIR: instance.journalFolder });
      await next.expectEnd(operation.id, { status: 'FAILED', problem: { code: 'forbidden', status: 403 } });
      expect(await countOf(body)).toBe(0);
    } finally {
      await service.changeRole('second', 'operator');
    }
  });
});

describe('a refusal that the database has, and that the journal has not heard of', () => {
  it('stays the outcome: the write is not made, although it could be by now', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    await instance.loseDatabase();
    const body = newStoreBody();
    const { body: operation } = await instance.send('post', '/api/stores', body).expect(202);
    // as an attempt left it whose process was killed before the journal was told
    const error = { kind: 'conflict', code: 'store_code_taken', message: 'It was taken then' };
    await queryDatabase(
      service,
      `INSERT INTO operations (id, kind, store_id, status, accepted_at, accepted_by, attempts, finished_at, error)
       VALUES ($1, 'store.create', $2, 'FAILED', now(), 'key:test-operator', 0, now(), $3)`,
      [operation.id, operation.storeId, JSON.stringify(error)],
    );
    await instance.close();
    const next = await services.start({ JOURNAL_DIR: instance.journalFolder });
    const problem = { code: 'store_code_taken', status: 409, detail: 'It was taken then' };
    await next.expectEnd(operation.id, { status: 'FAILED', durability: 'journal', problem });
    expect(await countOf(body)).toBe(0);
    const { body: elsewhere } = await service.get(`/api/operations/${String(operation.id)}`).expect(200);
    expect(elsewhere).toMatchObject({ status: 'FAILED', durability: 'database', problem });
  });
});
