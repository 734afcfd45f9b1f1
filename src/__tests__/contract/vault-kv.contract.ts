import { describe, expect, it } from '@jest/globals';
import { vaultPath } from '../../shared/services/vault/vault-path.js';
import { dataOf, failureOf, objectOf, useMount } from './contract-tools.js';
import type { ContractContext } from './vault.contract.js';

export function describeKvContract(context: () => ContractContext): void {
  describe('KV version 2', () => {
    const mount = useMount(context, 'mounts', 'kv');
    const at = (area: string, name: string) => vaultPath(mount(), area, name);

    it('numbers versions from 1 and reads the newest', async () => {
      const { client, root } = context();
      const first = await client.write(at('data', 'numbered'), { data: { v: 'one' } }, root);
      expect(dataOf(first)).toMatchObject({ version: 1, deletion_time: '', destroyed: false });
      await client.write(at('data', 'numbered'), { data: { v: 'two' } }, root);
      expect(dataOf(await client.read(at('data', 'numbered'), root))).toMatchObject({
        data: { v: 'two' },
        metadata: { version: 2 },
      });
    });

    it('reads an older version when asked', async () => {
      const { client, root } = context();
      await client.write(at('data', 'older'), { data: { v: 'one' } }, root);
      await client.write(at('data', 'older'), { data: { v: 'two' } }, root);
      const reply = await client.read(at('data', 'older'), { ...root, query: { version: 1 } });
      expect(dataOf(reply)).toMatchObject({ data: { v: 'one' }, metadata: { version: 1 } });
    });

    it('answers 404 for a secret and for a version that never were', async () => {
      const { client, root } = context();
      expect((await failureOf(client.read(at('data', 'never'), root))).status).toBe(404);
      await client.write(at('data', 'once'), { data: { v: 1 } }, root);
      const missing = client.read(at('data', 'once'), { ...root, query: { version: 9 } });
      expect((await failureOf(missing)).failure).toBe('not_found');
    });

    it('refuses a check-and-set that does not match with 400', async () => {
      const { client, root } = context();
      await client.write(at('data', 'cas'), { data: { v: 1 }, options: { cas: 0 } }, root);
      const again = client.write(at('data', 'cas'), { data: { v: 2 }, options: { cas: 0 } }, root);
      expect((await failureOf(again)).status).toBe(400);
      const right = await client.write(at('data', 'cas'), { data: { v: 2 }, options: { cas: 1 } }, root);
      expect(dataOf(right)).toMatchObject({ version: 2 });
    });

    it('refuses a write without check-and-set where it is required', async () => {
      const { client, root } = context();
      await client.write(at('metadata', 'strict'), { cas_required: true }, root);
      const careless = client.write(at('data', 'strict'), { data: { v: 1 } }, root);
      expect((await failureOf(careless)).status).toBe(400);
      await client.write(at('data', 'strict'), { data: { v: 1 }, options: { cas: 0 } }, root);
    });

    it('answers 404 with the whole envelope for a deleted version, until it is undeleted', async () => {
      const { client, root } = context();
      await client.write(at('data', 'deleted'), { data: { v: 1 } }, root);
      await client.delete(at('data', 'deleted'), root);
      const seen = await client.read(at('data', 'deleted'), { ...root, accept: (status) => status === 404 });
      expect(seen.status).toBe(404);
      expect(dataOf(seen)['data']).toBeNull();
      expect(dataOf(seen)['metadata']).toMatchObject({ version: 1, destroyed: false });
      expect(objectOf(dataOf(seen)['metadata'])['deletion_time']).not.toBe('');
      await client.write(at('undelete', 'deleted'), { versions: [1] }, root);
      expect(dataOf(await client.read(at('data', 'deleted'), root))).toMatchObject({ data: { v: 1 } });
    });

    it('deletes single versions', async () => {
      const { client, root } = context();
      await client.write(at('data', 'single'), { data: { v: 1 } }, root);
      await client.write(at('data', 'single'), { data: { v: 2 } }, root);
      await client.write(at('delete', 'single'), { versions: [1] }, root);
      const gone = client.read(at('data', 'single'), { ...root, query: { version: 1 } });
      expect((await failureOf(gone)).status).toBe(404);
      expect(dataOf(await client.read(at('data', 'single'), root))).toMatchObject({ data: { v: 2 } });
    });

    it('destroys a version for good', async () => {
      const { client, root } = context();
      await client.write(at('data', 'destroyed'), { data: { v: 1 } }, root);
      await client.write(at('destroy', 'destroyed'), { versions: [1] }, root);
      await client.write(at('undelete', 'destroyed'), { versions: [1] }, root);
      const seen = await client.read(at('data', 'destroyed'), {
        ...root,
        accept: (status) => status === 404,
      });
      expect(dataOf(seen)).toMatchObject({ data: null, metadata: { destroyed: true } });
    });

    it('describes all versions in the metadata', async () => {
      const { client, root } = context();
      await client.write(at('data', 'described'), { data: { v: 1 } }, root);
      await client.write(at('data', 'described'), { data: { v: 2 } }, root);
      const custom = { custom_metadata: { owner: 'tests' }, max_versions: 5 };
      await client.write(at('metadata', 'described'), custom, root);
      const metadata = dataOf(await client.read(at('metadata', 'described'), root));
      expect(metadata).toMatchObject({
        current_version: 2,
        max_versions: 5,
        custom_metadata: { owner: 'tests' },
      });
      expect(Object.keys(objectOf(metadata['versions']))).toEqual(['1', '2']);
    });

    it('drops the oldest version beyond the limit', async () => {
      const { client, root } = context();
      await client.write(at('metadata', 'bounded'), { max_versions: 2 }, root);
      for (const v of [1, 2, 3]) await client.write(at('data', 'bounded'), { data: { v } }, root);
      const first = client.read(at('data', 'bounded'), { ...root, query: { version: 1 } });
      expect((await failureOf(first)).status).toBe(404);
    });

    it('lists one level, folders with a slash, and answers 404 for an empty one', async () => {
      const { client, root } = context();
      await client.write(at('data', 'folder/a'), { data: { v: 1 } }, root);
      await client.write(at('data', 'folder/b/c'), { data: { v: 1 } }, root);
      expect(dataOf(await client.list(at('metadata', 'folder'), root))).toEqual({ keys: ['a', 'b/'] });
      expect((await failureOf(client.list(at('metadata', 'nothing-here'), root))).status).toBe(404);
    });

    it('forgets everything about a secret whose metadata is deleted', async () => {
      const { client, root } = context();
      await client.write(at('data', 'forgotten'), { data: { v: 1 } }, root);
      await client.delete(at('metadata', 'forgotten'), root);
      expect((await failureOf(client.read(at('metadata', 'forgotten'), root))).status).toBe(404);
      const fresh = await client.write(at('data', 'forgotten'), { data: { v: 1 } }, root);
      expect(dataOf(fresh)).toMatchObject({ version: 1 });
    });

    it('refuses a write without data with 400', async () => {
      const { client, root } = context();
      expect((await failureOf(client.write(at('data', 'empty'), {}, root))).status).toBe(400);
    });

    it('answers 404 for a path outside every mount and outside the engine', async () => {
      const { client, root } = context();
      expect((await failureOf(client.read(vaultPath('no-such-mount/x'), root))).status).toBe(404);
      expect((await failureOf(client.read(vaultPath(mount(), 'nonsense/x'), root))).status).toBe(404);
    });
  });
}
