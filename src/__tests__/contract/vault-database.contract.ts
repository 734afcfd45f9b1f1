import { beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { connectionString, MAINTENANCE_DATABASE } from '../../dev/postgres/admin-client.js';
import { vaultPath } from '../../shared/services/vault/vault-path.js';
import { getTestCluster } from '../helpers/database.js';
import { dataOf, failureOf, stringOf, tokenWithPolicy, useMount } from './contract-tools.js';
import type { Json } from './contract-tools.js';
import type { ContractContext } from './vault.contract.js';

interface Minted {
  readonly username: string;
  readonly password: string;
  readonly leaseId: string;
  readonly leaseSeconds: number;
}

export function describeDatabaseContract(context: () => ContractContext): void {
  describe('database credentials', () => {
    const mount = useMount(context, 'mounts', 'database');
    const at = (...path: string[]) => vaultPath(mount(), ...path);
    let superuserUrl: string;
    const postgresUrl = (): URL => new URL(superuserUrl);
    const configOf = (url: URL): Json => ({
      plugin_name: 'postgresql-database-plugin',
      allowed_roles: ['app', 'fixed', 'broken'],
      connection_url: `postgresql://{{username}}:{{password}}@${url.host}${url.pathname}?sslmode=disable`,
      username: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
    });
    const canLogIn = async (username: string, password: string): Promise<boolean> => {
      const url = postgresUrl();
      const client = new Client({
        host: url.hostname,
        port: Number(url.port),
        database: url.pathname.slice(1),
        user: username,
        password,
      });
      try {
        await client.connect();
        await client.query('SELECT 1');
        return true;
      } catch (error) {
        // Class 28: a wrong password, no such role, or one that may no longer log in.
        expect(error).toMatchObject({ code: expect.stringMatching(/^28/) });
        return false;
      } finally {
        await client.end();
      }
    };
    const mint = async (token = context().root.token): Promise<Minted> => {
      const reply = await context().client.read(at('creds/app'), { operation: 'contract', token });
      const { username, password } = dataOf(reply);
      return {
        username: stringOf(username),
        password: stringOf(password),
        leaseId: stringOf(reply.body?.['lease_id']),
        leaseSeconds: reply.body?.['lease_duration'] as number,
      };
    };
    const lease = (action: string, body: Json) =>
      context().client.write(vaultPath('sys/leases', action), body, context().root);

    beforeAll(async () => {
      const { primaryPort, credentials } = await getTestCluster();
      const database = MAINTENANCE_DATABASE;
      superuserUrl = connectionString(credentials.superuser, { port: primaryPort, database });
      const { client, root } = context();
      await client.write(at('config/pg'), configOf(postgresUrl()), root);
      const terms = {
        db_name: 'pg',
        creation_statements: [
          `CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`,
        ],
        default_ttl: '60s',
        max_ttl: '100s',
      };
      await client.write(at('roles/app'), terms, root);
      await client.write(at('roles/not-allowed'), terms, root);
      await client.write(at('roles/broken'), { ...terms, creation_statements: ['SELECT 1/0'] }, root);
    });

    it('log in, for as long as their lease says', async () => {
      const { username, password, leaseId, leaseSeconds } = await mint();
      expect(leaseSeconds).toBe(60);
      expect(leaseId).toMatch(new RegExp(`^${mount()}/creds/app/.+`));
      expect(await canLogIn(username, password)).toBe(true);
      await lease('revoke', { lease_id: leaseId });
      expect(await canLogIn(username, password)).toBe(false);
    });

    it('are different every time', async () => {
      const [first, second] = await Promise.all([mint(), mint()]);
      expect(first.username).not.toBe(second.username);
      expect(first.password).not.toBe(second.password);
    });

    it('are renewed up to the longest life of the role', async () => {
      const { leaseId } = await mint();
      const renewed = await lease('renew', { lease_id: leaseId, increment: 30 });
      expect(renewed.body).toMatchObject({ lease_id: leaseId, renewable: true, lease_duration: 30 });
      const longest = (await lease('renew', { lease_id: leaseId, increment: 1000 })).body?.['lease_duration'];
      expect(longest).toBeGreaterThan(90);
      expect(longest).toBeLessThanOrEqual(100);
    });

    it('have leases that can be looked up', async () => {
      const { leaseId } = await mint();
      expect(dataOf(await lease('lookup', { lease_id: leaseId }))).toMatchObject({
        id: leaseId,
        renewable: true,
        last_renewal: null,
      });
    });

    it('leave a lease behind that answers 400 to renewal and lookup once revoked, and 204 to revocation', async () => {
      const { leaseId } = await mint();
      await lease('revoke', { lease_id: leaseId });
      expect((await failureOf(lease('renew', { lease_id: leaseId }))).status).toBe(400);
      expect((await failureOf(lease('lookup', { lease_id: leaseId }))).status).toBe(400);
      expect((await lease('revoke', { lease_id: leaseId })).status).toBe(204);
    });

    it('end with the token that asked for them', async () => {
      const policy = `path "${mount()}/creds/app" { capabilities = ["read"] }`;
      const token = await tokenWithPolicy(context(), 'minting', policy);
      const { username, password } = await mint(token);
      expect(await canLogIn(username, password)).toBe(true);
      await context().client.write(vaultPath('auth/token/revoke-self'), {}, { operation: 'contract', token });
      // Real servers revoke the leases of a token in the background.
      const deadline = performance.now() + 10_000;
      while ((await canLogIn(username, password)) && performance.now() < deadline);
      expect(await canLogIn(username, password)).toBe(false);
    });

    it('are refused with 400 for an unknown role, 500 for one that is not allowed or whose statements fail', async () => {
      const { client, root } = context();
      expect((await failureOf(client.read(at('creds/unknown'), root))).status).toBe(400);
      expect((await failureOf(client.read(at('creds/not-allowed'), root))).status).toBe(500);
      expect((await failureOf(client.read(at('creds/broken'), root))).status).toBe(500);
    });

    it('have roles that are listed and deleted', async () => {
      const { client, root } = context();
      expect(dataOf(await client.list(at('roles'), root))['keys']).toEqual(expect.arrayContaining(['app']));
      await client.delete(at('roles/not-allowed'), root);
      expect((await failureOf(client.read(at('creds/not-allowed'), root))).status).toBe(400);
      expect((await failureOf(client.read(at('config/unknown'), root))).status).toBe(404);
      expect((await failureOf(client.write(at('creds/app'), {}, root))).status).toBe(405);
    });

    it('are not configured for a database that is away: 400', async () => {
      const url = postgresUrl();
      url.port = '1';
      const attempt = context().client.write(at('config/away'), configOf(url), context().root);
      expect((await failureOf(attempt)).status).toBe(400);
    });

    it('of a static role have no lease but a time to live, and change when rotated', async () => {
      const { client, root, prefix } = context();
      const admin = new Client({ connectionString: postgresUrl().href });
      await admin.connect();
      const username = `${prefix}_fixed`;
      await admin.query(`CREATE ROLE ${username} LOGIN`);
      try {
        const terms = { db_name: 'pg', username, rotation_period: '1h' };
        await client.write(at('static-roles/fixed'), terms, root);
        const first = await client.read(at('static-creds/fixed'), root);
        expect(first.body?.['lease_id']).toBe('');
        expect(dataOf(first)).toMatchObject({ username, rotation_period: 3600 });
        expect(dataOf(first)['ttl']).toBeGreaterThan(3590);
        expect(await canLogIn(username, stringOf(dataOf(first)['password']))).toBe(true);

        await client.write(at('rotate-role/fixed'), {}, root);
        const second = dataOf(await client.read(at('static-creds/fixed'), root));
        expect(second['password']).not.toBe(dataOf(first)['password']);
        expect(await canLogIn(username, stringOf(dataOf(first)['password']))).toBe(false);
        expect(await canLogIn(username, stringOf(second['password']))).toBe(true);
      } finally {
        await client.delete(at('static-roles/fixed'), root);
        await admin.query(`DROP ROLE ${username}`);
        await admin.end();
      }
    });

    it('of an unknown static role are refused with 400', async () => {
      const attempt = context().client.read(at('static-creds/unknown'), context().root);
      expect((await failureOf(attempt)).status).toBe(400);
    });
  });
}
