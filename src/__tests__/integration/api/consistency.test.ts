import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../../dev/wait-until.js';
import { withReplayPaused } from '../../helpers/database.js';
import { newStoreBody } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  // reads go to the replica however far it lags, unless they must not
  service = await TestService.start({ DATABASE_MAX_LAG_MS: '600000' });
  await waitUntil('the replica to answer reads', replicaAnswers, { timeoutMs: 10_000 });
});

afterAll(() => service.stop());

async function replicaAnswers(): Promise<boolean> {
  const { body } = await service.get('/health').expect(200);
  const { nodes } = (body as { database: { nodes: { role: string; lagMs?: number }[] } }).database;
  return nodes.some(({ role, lagMs }) => role === 'replica' && lagMs !== undefined);
}

describe('X-Consistency-Token', () => {
  it('comes with the answer to every write, and has any caller see that write, which the replica lacks', async () => {
    await withReplayPaused(async () => {
      const created = await service.post('/api/stores', newStoreBody()).expect(201);
      const token = created.get('X-Consistency-Token') ?? '';
      expect(token).toMatch(/^[A-Za-z0-9_-]{16}$/);
      const list = `/api/stores?code=${String(created.body.code)}`;
      expect((await service.get(list, 'viewer').expect(200)).body.items).toEqual([]);
      const response = await service.get(list, 'viewer').set('X-Consistency-Token', token).expect(200);
      expect(response.body.items).toHaveLength(1);
    });
  });

  it('is not needed by whoever has written through the same process, even if the replica lacks it', async () => {
    await withReplayPaused(async () => {
      const created = await service.post('/api/stores', newStoreBody()).expect(201);
      const list = `/api/stores?code=${String(created.body.code)}`;
      expect((await service.get(list, 'viewer').expect(200)).body.items).toEqual([]);
      expect((await service.get(list).expect(200)).body.items).toHaveLength(1);
    });
  });

  it('is not needed by anybody for the store itself: what this process has acknowledged, it shows', async () => {
    await withReplayPaused(async () => {
      const created = await service.post('/api/stores', newStoreBody()).expect(201);
      const path = created.get('Location') ?? '';
      await service.get(path, 'viewer').expect(200);
      const { body } = await service.put(path, { ...created.body, name: 'Later' }).expect(200);
      expect((await service.get(path, 'viewer').expect(200)).body).toMatchObject({
        version: 2,
        name: 'Later',
      });
      const history = await service.get(`${path}/history`, 'viewer').expect(200);
      expect(history.body.items).toHaveLength(2);
      expect(body.version).toBe(2);
    });
  });

  it('comes with a repeated answer, too', async () => {
    const body = newStoreBody();
    await service.post('/api/stores', body).set('Idempotency-Key', 'the same').expect(201);
    const replay = await service.post('/api/stores', body).set('Idempotency-Key', 'the same').expect(201);
    expect(replay.get('Idempotent-Replayed')).toBe('true');
    expect(replay.get('X-Consistency-Token')).toBeDefined();
  });

  it('is refused when it is none of ours', async () => {
    const response = await service.get('/api/stores').set('X-Consistency-Token', 'made up').expect(400);
    expect(response.body).toMatchObject({
      code: 'invalid_header',
      errors: [{ header: 'X-Consistency-Token', code: 'format' }],
    });
  });

  it('does not come with a read', async () => {
    const response = await service.get('/api/stores').expect(200);
    expect(response.get('X-Consistency-Token')).toBeUndefined();
  });
});
