import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newStoreBody } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start({ DATABASE_MAX_LAG_MS: '5000' });
});

afterAll(() => service.stop());

describe('X-Consistency-Token', () => {
  it('comes with the answer to every write, and has any caller see that write', async () => {
    for (let turn = 0; turn < 20; turn += 1) {
      const created = await service.post('/api/stores', newStoreBody()).expect(201);
      const token = created.get('X-Consistency-Token') ?? '';
      expect(token).toMatch(/^[A-Za-z0-9_-]{16}$/);
      await service
        .get(created.get('Location') ?? '', 'viewer')
        .set('X-Consistency-Token', token)
        .expect(200);
    }
  });

  it('is not needed by whoever has written through the same process', async () => {
    for (let turn = 0; turn < 20; turn += 1) {
      const created = await service.post('/api/stores', newStoreBody()).expect(201);
      await service.get(created.get('Location') ?? '').expect(200);
    }
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
