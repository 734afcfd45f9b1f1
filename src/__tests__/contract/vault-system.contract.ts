import { describe, expect, it } from '@jest/globals';
import { vaultPath } from '../../shared/services/vault/vault-path.js';
import {
  dataOf,
  failureOf,
  noPaths,
  objectOf,
  stringOf,
  tokenWithPolicy,
  useMount,
} from './contract-tools.js';
import type { ContractContext } from './vault.contract.js';

export function describeSystemContract(context: () => ContractContext): void {
  describe('policies', () => {
    const mount = useMount(context, 'mounts', 'kv');
    const tryRead = async (token: string, name: string): Promise<number | undefined> => {
      const call = { operation: 'contract', token };
      return (await failureOf(context().client.read(vaultPath(mount(), 'data', name), call))).status;
    };

    it.each([
      ['an exact path', 'a/b', 'a/b', 'a/c'],
      ['a prefix', 'a/*', 'a/b/c', 'b/a'],
      ['one segment', '+/deep', 'any/deep', 'any/other/deep'],
      ['a segment and a prefix', '+/x*', 'any/xyz', 'any/yz'],
    ])('allow by %s and deny everything else', async (_, pattern, allowed, denied) => {
      const policy = `path "${mount()}/data/${pattern}" { capabilities = ["read"] }`;
      const token = await tokenWithPolicy(context(), 'pattern', policy);
      expect(await tryRead(token, allowed)).toBe(404);
      expect(await tryRead(token, denied)).toBe(403);
    });

    it('let the more specific rule win, and deny over all', async () => {
      const token = await tokenWithPolicy(
        context(),
        'specific',
        `path "${mount()}/data/*" { capabilities = ["read"] }
         path "${mount()}/data/private/*" { capabilities = ["deny"] }
         path "${mount()}/data/private/except" { capabilities = ["read"] }`,
      );
      expect(await tryRead(token, 'public')).toBe(404);
      expect(await tryRead(token, 'private/x')).toBe(403);
      expect(await tryRead(token, 'private/except')).toBe(404);
    });

    it('tell reading from writing, and creating from updating', async () => {
      const { client, root } = context();
      const policy = `path "${mount()}/data/*" { capabilities = ["update"] }`;
      const token = await tokenWithPolicy(context(), 'update', policy);
      const write = (name: string) =>
        client.write(vaultPath(mount(), 'data', name), { data: { v: 1 } }, { operation: 'contract', token });
      expect((await failureOf(write('new'))).status).toBe(403);
      await client.write(vaultPath(mount(), 'data/old'), { data: { v: 1 } }, root);
      expect(dataOf(await write('old'))).toMatchObject({ version: 2 });
      expect(await tryRead(token, 'old')).toBe(403);
    });

    it('may be written as JSON', async () => {
      const policy = JSON.stringify({ path: { [`${mount()}/data/json`]: { capabilities: ['read'] } } });
      const token = await tokenWithPolicy(context(), 'json', policy);
      expect(await tryRead(token, 'json')).toBe(404);
      expect(await tryRead(token, 'other')).toBe(403);
    });

    it('are refused with 400 when empty', async () => {
      const { client, root, prefix } = context();
      const attempt = client.write(vaultPath('sys/policies/acl', `${prefix}-empty`), { policy: '' }, root);
      expect((await failureOf(attempt)).status).toBe(400);
    });

    it('with an unknown capability are refused with 400', async () => {
      const { client, root, prefix } = context();
      const policy = 'path "x" { capabilities = ["fly"] }';
      const attempt = client.write(vaultPath('sys/policies/acl', `${prefix}-bad`), { policy }, root);
      expect((await failureOf(attempt)).status).toBe(400);
    });

    it('give every token the default one: prolong and look up leases, but not revoke them', async () => {
      const { client } = context();
      const token = await tokenWithPolicy(context(), 'bare', noPaths);
      const call = { operation: 'contract', token };
      const body = { lease_id: 'made/up/lease' };
      expect((await failureOf(client.write(vaultPath('sys/leases/renew'), body, call))).status).toBe(400);
      expect((await failureOf(client.write(vaultPath('sys/leases/lookup'), body, call))).status).toBe(400);
      expect((await failureOf(client.write(vaultPath('sys/leases/revoke'), body, call))).status).toBe(403);
    });

    it('are read, listed and removed', async () => {
      const { client, root, prefix } = context();
      const path = vaultPath('sys/policies/acl', `${prefix}-short-lived`);
      await client.write(path, { policy: noPaths }, root);
      expect(dataOf(await client.read(path, root))).toMatchObject({ policy: noPaths });
      expect(dataOf(await client.list(vaultPath('sys/policies/acl'), root))['keys']).toEqual(
        expect.arrayContaining([`${prefix}-short-lived`, 'default', 'root']),
      );
      await client.delete(path, root);
      expect((await failureOf(client.read(path, root))).status).toBe(404);
    });

    it('are told by capabilities-self', async () => {
      const { client } = context();
      const policy = `path "${mount()}/data/told" { capabilities = ["read", "list"] }`;
      const token = await tokenWithPolicy(context(), 'told', policy);
      const path = `${mount()}/data/told`;
      const call = { operation: 'contract', token };
      const reply = await client.write(vaultPath('sys/capabilities-self'), { paths: [path, 'x'] }, call);
      expect(dataOf(reply)).toMatchObject({ [path]: ['list', 'read'], x: ['deny'] });
    });
  });

  describe('wrapping', () => {
    const wrap = async (): Promise<string> => {
      const call = { ...context().root, wrapTtlSeconds: 60 };
      const reply = await context().client.write(vaultPath('sys/wrapping/wrap'), { forged: 'value' }, call);
      return stringOf(objectOf(reply.body?.['wrap_info'])['token']);
    };

    it("of one's own values is told apart by its creation path", async () => {
      const token = await wrap();
      const seen = await context().client.write(
        vaultPath('sys/wrapping/lookup'),
        { token },
        { operation: 'x' },
      );
      expect(dataOf(seen)['creation_path']).toBe('sys/wrapping/wrap');
    });

    it('answers 400 for tokens it does not know', async () => {
      const { client } = context();
      const lookup = client.write(vaultPath('sys/wrapping/lookup'), { token: 'made-up' }, { operation: 'x' });
      expect((await failureOf(lookup)).status).toBe(400);
      const unwrap = client.write(vaultPath('sys/wrapping/unwrap'), {}, { operation: 'x', token: 'made-up' });
      expect((await failureOf(unwrap)).status).toBe(400);
    });

    it('refuses to wrap without a time to live', async () => {
      const attempt = context().client.write(vaultPath('sys/wrapping/wrap'), { a: 1 }, context().root);
      expect((await failureOf(attempt)).status).toBe(400);
    });
  });

  describe('mounts', () => {
    it('are listed', async () => {
      const { client, root } = context();
      expect(dataOf(await client.read(vaultPath('sys/mounts'), root))).toHaveProperty(['sys/']);
      expect(dataOf(await client.read(vaultPath('sys/auth'), root))).toHaveProperty(['token/']);
    });

    it('are refused with 400 on a path that is taken, or of an unknown type', async () => {
      const { client, root, prefix } = context();
      const path = vaultPath('sys/mounts', `${prefix}-taken`);
      await client.write(path, { type: 'transit' }, root);
      expect((await failureOf(client.write(path, { type: 'transit' }, root))).status).toBe(400);
      await client.delete(path, root);
      expect((await failureOf(client.write(path, { type: 'no-such-engine' }, root))).status).toBe(400);
    });
  });

  describe('leases', () => {
    it('need an id', async () => {
      const attempt = context().client.write(vaultPath('sys/leases/renew'), {}, context().root);
      expect((await failureOf(attempt)).status).toBe(400);
    });
  });

  describe('health and seal', () => {
    const health = () =>
      context().client.read(vaultPath('sys/health'), { operation: 'health', accept: () => true });

    it('is told by seal-status too', async () => {
      const reply = await context().client.read(vaultPath('sys/seal-status'), { operation: 'seal-status' });
      expect(reply.body).toMatchObject({ sealed: false, initialized: true, t: 1, n: 1 });
    });

    it('is told without a token', async () => {
      const reply = await health();
      expect(reply.status).toBe(200);
      expect(reply.body).toMatchObject({ initialized: true, sealed: false, standby: false });
    });

    it('answers 503 to everything while sealed, and recovers', async () => {
      const { server, client, root } = context();
      // A server that is not ours is not sealed: there is nothing to see then.
      if (!server.seal) return;
      await server.seal.seal();
      try {
        expect((await health()).status).toBe(503);
        const read = client.read(vaultPath('auth/token/lookup-self'), root);
        expect((await failureOf(read)).failure).toBe('sealed');
        const login = client.write(vaultPath('auth/any/login'), {}, { operation: 'login' });
        expect((await failureOf(login)).failure).toBe('sealed');
      } finally {
        await server.seal.unseal();
      }
      const deadline = performance.now() + 10_000;
      while ((await health()).status !== 200 && performance.now() < deadline);
      expect((await health()).status).toBe(200);
      expect(dataOf(await client.read(vaultPath('auth/token/lookup-self'), root))).toHaveProperty('id');
    });
  });
}
