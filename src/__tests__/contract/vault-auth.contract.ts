import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer } from 'node:http';
import { rootCertificates } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { vaultPath } from '../../shared/services/vault/vault-path.js';
import {
  authOf,
  dataOf,
  failureOf,
  noPaths,
  objectOf,
  stringOf,
  tokenWithPolicy,
  useMount,
} from './contract-tools.js';
import type { Json } from './contract-tools.js';
import type { ContractContext } from './vault.contract.js';

export function describeAuthContract(context: () => ContractContext): void {
  describe('tokens', () => {
    const as = (token: string) => ({ operation: 'contract', token });
    const lookup = async (token: string): Promise<Json> =>
      dataOf(await context().client.read(vaultPath('auth/token/lookup-self'), as(token)));

    it('describe themselves', async () => {
      const token = await tokenWithPolicy(context(), 'plain', noPaths);
      const described = await lookup(token);
      expect(described).toMatchObject({ id: token, renewable: true, creation_ttl: 600 });
      expect(described['ttl']).toBeGreaterThan(590);
      expect(described['policies']).toEqual(['default', `${context().prefix}-plain`]);
    });

    it('of the root kind never expire and cannot be renewed', async () => {
      const { client, root } = context();
      expect(await lookup(root.token)).toMatchObject({ ttl: 0, renewable: false, policies: ['root'] });
      const renewal = client.write(vaultPath('auth/token/renew-self'), {}, root);
      expect((await failureOf(renewal)).status).toBe(400);
    });

    it.each(['', 'made-up'])('that are missing or unknown get 403: "%s"', async (token) => {
      const call = token === '' ? { operation: 'contract' } : as(token);
      const failure = await failureOf(context().client.read(vaultPath('auth/token/lookup-self'), call));
      expect(failure.failure).toBe('denied');
    });

    it('are renewed by an increment, up to their explicit maximum', async () => {
      const { client } = context();
      const token = await tokenWithPolicy(context(), 'renewed', noPaths, {
        ttl: '1h',
        explicit_max_ttl: '2h',
      });
      const renew = async (increment: string): Promise<number> => {
        const reply = await client.write(vaultPath('auth/token/renew-self'), { increment }, as(token));
        expect(authOf(reply)).toMatchObject({ client_token: token, renewable: true });
        return authOf(reply)['lease_duration'] as number;
      };
      expect(await renew('30m')).toBe(1800);
      const longest = await renew('10h');
      expect(longest).toBeGreaterThan(7190);
      expect(longest).toBeLessThanOrEqual(7200);
    });

    it('can be looked up, renewed and revoked by others who may', async () => {
      const { client, root } = context();
      const token = await tokenWithPolicy(context(), 'handled', noPaths);
      const act = (action: string) => client.write(vaultPath('auth/token', action), { token }, root);
      expect(dataOf(await act('lookup'))).toMatchObject({ id: token, renewable: true });
      expect(authOf(await act('renew'))).toMatchObject({ client_token: token, lease_duration: 600 });
      expect((await act('revoke')).status).toBe(204);
      expect((await failureOf(act('lookup'))).status).toBe(403);
    });

    it('of a period live on with every renewal, whatever the increment', async () => {
      const token = await tokenWithPolicy(context(), 'periodic', noPaths, { period: '1h', ttl: undefined });
      expect(await lookup(token)).toMatchObject({ period: 3600, creation_ttl: 3600 });
      const body = { increment: '3h' };
      const renewed = await context().client.write(vaultPath('auth/token/renew-self'), body, as(token));
      expect(authOf(renewed)['lease_duration']).toBe(3600);
    });

    it('know no reading of what is written', async () => {
      const { client, root } = context();
      expect((await failureOf(client.read(vaultPath('auth/token/renew-self'), root))).status).toBe(405);
    });

    it('that are not renewable answer a renewal with 400', async () => {
      const token = await tokenWithPolicy(context(), 'fixed', noPaths, { renewable: false });
      const renewal = context().client.write(vaultPath('auth/token/renew-self'), {}, as(token));
      expect((await failureOf(renewal)).status).toBe(400);
    });

    it('are gone once revoked, and with them their children', async () => {
      const { client, prefix } = context();
      const policy = 'path "auth/token/create" { capabilities = ["create", "update"] }';
      const parent = await tokenWithPolicy(context(), 'parent', policy);
      const terms = { policies: [`${prefix}-parent`], ttl: '5m' };
      const child = stringOf(
        authOf(await client.write(vaultPath('auth/token/create'), terms, as(parent)))['client_token'],
      );
      await lookup(child);
      await client.write(vaultPath('auth/token/revoke-self'), {}, as(parent));
      expect((await failureOf(lookup(parent))).status).toBe(403);
      expect((await failureOf(lookup(child))).status).toBe(403);
    });

    it('are gone once used up', async () => {
      const token = await tokenWithPolicy(context(), 'once', noPaths, { num_uses: 1 });
      await lookup(token);
      expect((await failureOf(lookup(token))).status).toBe(403);
    });
  });

  describe('AppRole', () => {
    const mount = useMount(context, 'auth', 'approle');
    const at = (...path: string[]) => vaultPath('auth', mount(), ...path);
    const login = (body: Json) => context().client.write(at('login'), body, { operation: 'login' });
    const makeRole = async (
      name: string,
      terms: Json = {},
    ): Promise<{ roleId: string; secretId: string }> => {
      const { client, root } = context();
      await client.write(at('role', name), { token_ttl: '1h', token_max_ttl: '4h', ...terms }, root);
      const roleId = stringOf(dataOf(await client.read(at('role', name, 'role-id'), root))['role_id']);
      const made = dataOf(await client.write(at('role', name, 'secret-id'), {}, root));
      return { roleId, secretId: stringOf(made['secret_id']) };
    };

    it('lets in who knows both ids', async () => {
      const { roleId, secretId } = await makeRole('known');
      const auth = authOf(await login({ role_id: roleId, secret_id: secretId }));
      expect(auth).toMatchObject({ lease_duration: 3600, renewable: true, metadata: { role_name: 'known' } });
      expect(auth['policies']).toEqual(['default']);
      await login({ role_id: roleId, secret_id: secretId });
    });

    it('answers wrong credentials with 400', async () => {
      const { roleId, secretId } = await makeRole('guarded');
      expect((await failureOf(login({ role_id: roleId, secret_id: 'wrong' }))).status).toBe(400);
      expect((await failureOf(login({ role_id: 'wrong', secret_id: secretId }))).status).toBe(400);
      expect((await failureOf(login({ role_id: roleId }))).status).toBe(400);
    });

    it('takes a secret id only as often as allowed', async () => {
      const { roleId, secretId } = await makeRole('single-use', { secret_id_num_uses: 1 });
      await login({ role_id: roleId, secret_id: secretId });
      expect((await failureOf(login({ role_id: roleId, secret_id: secretId }))).status).toBe(400);
    });

    it('describes and lists roles, and forgets them', async () => {
      const { client, root } = context();
      await makeRole('described', { token_policies: ['some'] });
      expect(dataOf(await client.read(at('role/described'), root))).toMatchObject({
        token_policies: ['some'],
        token_ttl: 3600,
        token_max_ttl: 14_400,
      });
      expect(dataOf(await client.list(at('role'), root))['keys']).toEqual(
        expect.arrayContaining(['described']),
      );
      await client.delete(at('role/described'), root);
      expect((await failureOf(client.read(at('role/described'), root))).status).toBe(404);
    });

    it('takes a role id of our choice, and forgets a secret id that was destroyed', async () => {
      const { client, root, prefix } = context();
      const { secretId } = await makeRole('chosen');
      await client.write(at('role/chosen/role-id'), { role_id: `${prefix}-chosen` }, root);
      await login({ role_id: `${prefix}-chosen`, secret_id: secretId });
      await client.write(at('role/chosen/secret-id/destroy'), { secret_id: secretId }, root);
      expect((await failureOf(login({ role_id: `${prefix}-chosen`, secret_id: secretId }))).status).toBe(400);
    });

    it("caps renewals at the role's longest life", async () => {
      const { roleId, secretId } = await makeRole('capped', { token_ttl: '1h', token_max_ttl: '90m' });
      const token = stringOf(authOf(await login({ role_id: roleId, secret_id: secretId }))['client_token']);
      const renewed = await context().client.write(
        vaultPath('auth/token/renew-self'),
        { increment: '3h' },
        { operation: 'contract', token },
      );
      const durationSeconds = authOf(renewed)['lease_duration'] as number;
      expect(durationSeconds).toBeGreaterThan(5390);
      expect(durationSeconds).toBeLessThanOrEqual(5400);
    });

    it('hands out a wrapped secret id that says where it comes from and opens once', async () => {
      const { client, root } = context();
      const { roleId } = await makeRole('wrapped');
      const creationPath = at('role', 'wrapped', 'secret-id');
      const wrapped = await client.write(creationPath, {}, { ...root, wrapTtlSeconds: 60 });
      expect(wrapped.body?.['data']).toBeNull();
      const info = objectOf(wrapped.body?.['wrap_info']);
      expect(info).toMatchObject({ ttl: 60, creation_path: creationPath });
      const token = stringOf(info['token']);

      const seen = await client.write(vaultPath('sys/wrapping/lookup'), { token }, { operation: 'lookup' });
      expect(dataOf(seen)).toMatchObject({ creation_path: creationPath, creation_ttl: 60 });
      const opened = await client.write(vaultPath('sys/wrapping/unwrap'), {}, { operation: 'unwrap', token });
      await login({ role_id: roleId, secret_id: dataOf(opened)['secret_id'] });
      const again = client.write(vaultPath('sys/wrapping/unwrap'), {}, { operation: 'unwrap', token });
      expect((await failureOf(again)).status).toBe(400);
    });

    it('answers a login at a method that is not there with 403', async () => {
      const attempt = context().client.write(
        vaultPath('auth/no-such-method/login'),
        {},
        { operation: 'login' },
      );
      expect((await failureOf(attempt)).status).toBe(403);
    });
  });

  describe('Kubernetes', () => {
    const mount = useMount(context, 'auth', 'kubernetes');
    const signatureOf = (text: string): string => Buffer.from(text).toString('base64url');
    const cluster = createServer((request, response) => {
      void (async () => {
        let text = '';
        for await (const chunk of request) text += String(chunk);
        const { spec } = JSON.parse(text) as { spec: { token: string } };
        const isKnown = spec.token.endsWith(`.${signatureOf('known')}`);
        response.writeHead(201, { 'content-type': 'application/json' });
        response.end(
          JSON.stringify({
            apiVersion: 'authentication.k8s.io/v1',
            kind: 'TokenReview',
            status: isKnown
              ? {
                  authenticated: true,
                  user: { username: 'system:serviceaccount:shop:platform', uid: 'uid-1', groups: [] },
                }
              : { authenticated: false, error: 'unknown' },
          }),
        );
      })();
    });
    /** Real servers read the claims before they ask the cluster. */
    const jwtWith = (signature: string): string => {
      const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
      const nowSeconds = Math.floor(Date.now() / 1000);
      const claims = {
        iss: 'kubernetes/serviceaccount',
        sub: 'system:serviceaccount:shop:platform',
        iat: nowSeconds - 10,
        nbf: nowSeconds - 10,
        exp: nowSeconds + 3600,
        'kubernetes.io': { namespace: 'shop', serviceaccount: { name: 'platform', uid: 'uid-1' } },
      };
      return `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.${signatureOf(signature)}`;
    };
    const login = (role: string, jwt: string) =>
      context().client.write(vaultPath('auth', mount(), 'login'), { role, jwt }, { operation: 'login' });

    beforeAll(async () => {
      cluster.listen(0, '127.0.0.1');
      await once(cluster, 'listening');
      const { client, root } = context();
      const { port } = cluster.address() as AddressInfo;
      const config = {
        kubernetes_host: `http://127.0.0.1:${port}`,
        token_reviewer_jwt: jwtWith('known'),
        disable_iss_validation: true,
        disable_local_ca_jwt: true,
        // Demanded by real servers, and not used over plain HTTP.
        kubernetes_ca_cert: rootCertificates[0],
      };
      await client.write(vaultPath('auth', mount(), 'config'), config, root);
      const role = {
        bound_service_account_names: ['platform'],
        bound_service_account_namespaces: ['shop'],
        token_ttl: '1h',
      };
      await client.write(vaultPath('auth', mount(), 'role/app'), role, root);
      const stranger = { ...role, bound_service_account_names: ['somebody-else'] };
      await client.write(vaultPath('auth', mount(), 'role/other'), stranger, root);
    });
    afterAll(() => {
      cluster.closeAllConnections();
      cluster.close();
    });

    it('lets in a bound service account that the cluster vouches for', async () => {
      const auth = authOf(await login('app', jwtWith('known')));
      expect(auth).toMatchObject({ lease_duration: 3600, renewable: true });
      expect(auth['metadata']).toMatchObject({ role: 'app', service_account_name: 'platform' });
    });

    it('denies a token that the cluster does not know, and an account that is not bound', async () => {
      expect((await failureOf(login('app', jwtWith('forged')))).status).toBe(403);
      expect((await failureOf(login('other', jwtWith('known')))).status).toBe(403);
    });

    it('answers an unknown role with 400', async () => {
      expect((await failureOf(login('nobody', jwtWith('known')))).status).toBe(400);
    });
  });
}
