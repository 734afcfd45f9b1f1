import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { createStore } from '../../helpers/created-store.js';
import { fullStoreBody } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

const create = () => createStore(service, fullStoreBody());

describe('the version of a replacement', () => {
  it('is needed: 428 without If-Match and without one in the body', async () => {
    const { path, unversioned } = await create();
    const response = await service.put(path, unversioned).expect(428);
    expect(response.body).toMatchObject({ code: 'version_required', status: 428 });
  });

  it('may come from either place, or from both when they agree', async () => {
    const { path, store, unversioned } = await create();
    await service
      .put(path, { ...unversioned, name: 'a' })
      .set('If-Match', '"v1"')
      .expect(200);
    await service.put(path, { ...store, version: 2, name: 'b' }).expect(200);
    const { body } = await service
      .put(path, { ...store, version: 3, name: 'c' })
      .set('If-Match', '"v3"')
      .expect(200);
    expect(body.version).toBe(4);
  });

  it('is 400 when they do not, even if one is right', async () => {
    const { path, store } = await create();
    for (const tag of ['"v2"', '"v3", "v4"', 'W/"v1", "v2"']) {
      const response = await service.put(path, store).set('If-Match', tag).expect(400);
      expect(response.body).toMatchObject({
        code: 'version_ambiguous',
        errors: [{ header: 'If-Match' }, { pointer: '#/version' }],
      });
    }
  });

  it.each(['W/"v1"', 'W/"v2"', '"other"'])(
    'is stale, 412, when If-Match names none, whatever the body says: %s',
    async (tag) => {
      const { path, store } = await create();
      const response = await service.put(path, store).set('If-Match', tag).expect(412);
      expect(response.body).toMatchObject({ code: 'stale_version', metadata: { currentVersion: 1 } });
    },
  );

  it('may be any of a list of entity tags', async () => {
    const { path, unversioned } = await create();
    const put = (tags: string) => service.put(path, { ...unversioned, name: tags }).set('If-Match', tags);
    await put('"v7", "v1"').expect(200);
    await put('"v2","v9" , "other"').expect(200);
    await put('"v1", "v2"').expect(412);
  });

  it.each(['W/"v1"', '"v2"', '"1"', '"v01"', '"V1"', '"v99999999999"', '""'])(
    'is stale, 412, when the tag matches none: %s',
    async (tag) => {
      const { path, unversioned } = await create();
      const response = await service.put(path, unversioned).set('If-Match', tag).expect(412);
      expect(response.body).toMatchObject({ code: 'stale_version', metadata: { currentVersion: 1 } });
      await service.delete(path).set('If-Match', tag).expect(412);
    },
  );

  it.each(['*', 'v1', '1', '"v1', '"v1" "v2"', '"v1";q=1', 'w/"v1"', '"v1 "', ','])(
    'is 400 when If-Match holds no entity tags: %s',
    async (header) => {
      const { path, unversioned } = await create();
      const response = await service.put(path, unversioned).set('If-Match', header).expect(400);
      expect(response.body).toMatchObject({ code: 'invalid_header', errors: [{ header: 'If-Match' }] });
      await service.delete(path).set('If-Match', header).expect(400);
    },
  );

  it.each([0, -1, 1.5, '1', null, 9e99, 2 ** 53])('is 422 when it is no version: %j', async (version) => {
    const { path, unversioned } = await create();
    const response = await service.put(path, { ...unversioned, version }).expect(422);
    expect(response.body.errors).toEqual([expect.objectContaining({ pointer: '#/version' })]);
  });

  it('is 409 when the body says another one, however large', async () => {
    const { path, store } = await create();
    for (const version of [2, 2 ** 31, 2 ** 53 - 1]) {
      const response = await service.put(path, { ...store, version }).expect(409);
      expect(response.body).toMatchObject({ code: 'version_conflict', metadata: { currentVersion: 1 } });
    }
  });
});

describe('a list of entity tags', () => {
  it.each(['"v1",', ',"v1"', ', ,"v9",, "v1" ,', '"v1"\t,\t'])(
    'may have empty members, which are ignored: %j',
    async (tags) => {
      const { path, unversioned } = await create();
      await service.get(path).set('If-None-Match', tags).expect(304);
      await service
        .put(path, { ...unversioned, name: 'x' })
        .set('If-Match', tags)
        .expect(200);
    },
  );

  it('is no list with nothing but empty members', async () => {
    const { path } = await create();
    await service.delete(path).set('If-Match', ', ,').expect(400);
    await service.get(path).set('If-None-Match', ', ,').expect(400);
  });

  it('of weak tags is told that they are weak, and what to send', async () => {
    const { path, unversioned } = await create();
    for (const send of [() => service.put(path, unversioned), () => service.delete(path)]) {
      const response = await send().set('If-Match', 'W/"v1"').expect(412);
      expect(response.body).toMatchObject({
        code: 'stale_version',
        metadata: { currentVersion: 1 },
        errors: [
          { header: 'If-Match', code: 'weak', detail: expect.stringContaining('send the tag as a GET') },
        ],
      });
      expect(response.body.detail).toMatch(/weak tag W\/"v1".*"v1"/);
    }
    await service.put(path, unversioned).set('If-Match', 'W/"v1", "v1"').expect(200);
  });
});

describe('If-None-Match of a change', () => {
  it.each(['*', '"v1"', 'W/"v1"', '"x", "v1"', ',"v1",'])(
    'rules out the store as it is, 412: %s',
    async (tags) => {
      const { path, store, unversioned } = await create();
      const refused = [
        service.put(path, unversioned).set('If-Match', '"v1"'),
        service.put(path, { ...store, name: 'x' }),
        service.delete(path).set('If-Match', '"v1"'),
      ];
      for (const request of refused) {
        const response = await request.set('If-None-Match', tags).expect(412);
        expect(response.body).toMatchObject({
          code: 'precondition_failed',
          metadata: { currentVersion: 1 },
          errors: [{ header: 'If-None-Match' }],
        });
      }
      expect((await service.get(path).expect(200)).body.version).toBe(1);
    },
  );

  it('needs no If-Match for *, which no store can fulfil, and finds none where there is none', async () => {
    const { path, unversioned } = await create();
    await service.put(path, unversioned).set('If-None-Match', '*').expect(412);
    await service.delete(path).set('If-None-Match', '*').expect(412);
    const nowhere = `/api/stores/${randomUUID()}`;
    await service.put(nowhere, unversioned).set('If-None-Match', '*').expect(404);
    await service.delete(nowhere).set('If-None-Match', '*').expect(404);
    await service.put(path, unversioned).set('If-None-Match', '"v9"').expect(428);
  });

  it('rules out a store that is decommissioned already', async () => {
    const { path } = await create();
    await service.delete(path).set('If-Match', '"v1"').expect(200);
    await service.delete(path).set('If-Match', '"v1"').set('If-None-Match', '*').expect(412);
    await service.delete(path).set('If-Match', '"v1"').expect(200);
  });

  it('lets pass what it does not name, and is 400 when it names nothing', async () => {
    const { path, store } = await create();
    await service
      .put(path, { ...store, name: 'x' })
      .set('If-None-Match', '"v2", "other"')
      .expect(200);
    await service.delete(path).set('If-Match', '"v2"').set('If-None-Match', 'v1').expect(400);
  });
});

describe('If-None-Match', () => {
  it.each(['"v1"', 'W/"v1"', '"x", "v1"', '*', ' "v1" '])('is 304 for %s, without a body', async (tags) => {
    const { path } = await create();
    const response = await service.get(path).set('If-None-Match', tags).expect(304);
    expect(response.text).toBe('');
    expect(response.get('ETag')).toBe('"v1"');
  });

  it.each(['"v2"', '"V1"', '"x", "y"', '""'])('is 200 for %s', async (tags) => {
    const { path } = await create();
    await service.get(path).set('If-None-Match', tags).expect(200);
  });

  it('is 400 when it holds no entity tags, and 404 comes first', async () => {
    const { path } = await create();
    const response = await service.get(path).set('If-None-Match', 'v1').expect(400);
    expect(response.body).toMatchObject({ code: 'invalid_header', errors: [{ header: 'If-None-Match' }] });
    await service.get(`/api/stores/${randomUUID()}`).set('If-None-Match', '*').expect(404);
  });

  it('is 200 again once the store has changed', async () => {
    const { path, store } = await create();
    await service.put(path, { ...store, name: 'x' }).expect(200);
    await service.get(path).set('If-None-Match', '"v1"').expect(200);
    await service.get(path).set('If-None-Match', '"v2"').expect(304);
  });
});
