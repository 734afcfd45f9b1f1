import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { withClient } from '../../../dev/postgres/admin-client.js';
import type { VaultDatabase } from '../../../dev/vault/provision-database.js';
import { provisionVault, type VaultContents } from '../../../dev/vault/provision-vault.js';
import { readTransitKey, WrongTransitKeyError } from '../../../dev/vault/transit-key-store.js';
import { VaultAdmin } from '../../../dev/vault/vault-admin.js';
import { startVaultServer, type VaultServer } from '../../../dev/vault/vault-server.js';
import { createApiKey, parseCallerRecord } from '../../../shared/services/caller-record.js';
import { appRoleLogin } from '../../../shared/services/vault/login-strategies.js';
import { VaultService } from '../../../shared/services/vault-service.js';
import { createTestDatabase, type TestDatabase } from '../../helpers/database.js';
import { createTemporaryFolder } from '../../helpers/temporary-folder.js';
import { Recorder } from '../../helpers/vault-bench.js';
import { whereVaultProgram } from '../../helpers/vault-program.js';

const { apiKey } = createApiKey('dev-viewer');
const contents: VaultContents = {
  signingKey: randomBytes(32).toString('base64'),
  callers: [{ apiKey, role: 'viewer' }],
};

async function startServer(environment: Record<string, string | undefined>): Promise<VaultServer> {
  const folder = await createTemporaryFolder();
  return startVaultServer({
    environment,
    logFile: join(folder, 'vault.log'),
    recordFile: join(folder, 'vault-process.json'),
  });
}

function databaseOf({ ownerUrl }: TestDatabase): VaultDatabase {
  const url = new URL(ownerUrl);
  return {
    host: url.hostname,
    port: Number(url.port),
    database: url.pathname.slice(1),
    admin: { user: url.username, password: url.password },
  };
}

describeProvisioning(describe, 'development Vault', {});
describeProvisioning(whereVaultProgram.describe, 'bao or vault', { PATH: process.env['PATH'] });

function describeProvisioning(
  describeHere: (name: string, tests: () => void) => void,
  name: string,
  environment: Record<string, string | undefined>,
): void {
  describeHere(`provisioning, ${name}`, () => {
    let server: VaultServer;
    const services: VaultService[] = [];
    beforeAll(async () => {
      server = await startServer(environment);
    });
    afterEach(async () => {
      await Promise.all(services.splice(0).map((service) => service.close()));
    });
    afterAll(() => server.stop());

    const serviceOf = (env: Readonly<Record<string, string>>): VaultService => {
      const service = new VaultService(
        { address: env['VAULT_ADDR'] ?? '', transitKey: env['VAULT_TRANSIT_KEY'] ?? '' },
        {
          login: appRoleLogin({
            mount: 'approle',
            roleId: env['VAULT_ROLE_ID'] ?? '',
            secretId: env['VAULT_SECRET_ID'] ?? '',
          }),
          log: new Recorder(),
          env: {},
        },
      );
      services.push(service);
      return service;
    };
    const admin = <T>(work: (admin: VaultAdmin) => Promise<T>): Promise<T> =>
      VaultAdmin.use(server.access, work);
    const versionOf = (path: string): Promise<number> =>
      admin(async (root) =>
        (await root.read('secret/metadata', path)).record('data').number('current_version'),
      );

    it('gives the service a login of its own, with which it finds keys and callers', async () => {
      const env = await provisionVault(server.access, contents);
      expect(env).toEqual({
        VAULT_ADDR: server.access.address,
        VAULT_AUTH: 'approle',
        VAULT_ROLE_ID: expect.any(String),
        VAULT_SECRET_ID: expect.any(String),
        VAULT_TRANSIT_KEY: 'store-platform',
      });
      const service = serviceOf(env);
      expect((await service.readSecret('store-platform/signing-key')).field('key')).toBe(contents.signingKey);
      const record = parseCallerRecord(
        'dev-viewer',
        (await service.callers.find('dev-viewer'))?.reveal() ?? {},
      );
      expect(record).toMatchObject({ id: 'dev-viewer', role: 'viewer', keys: [{ disabled: false }] });
      const { plaintext, wrapped } = await service.transit.createDataKey();
      expect(await service.transit.decrypt(wrapped)).toEqual(plaintext);
    });

    it('lets the service do nothing beyond that', async () => {
      const service = serviceOf(await provisionVault(server.access, contents));
      await expect(service.callers.write('dev-viewer', {}, 0)).rejects.toMatchObject({ failure: 'denied' });
      await expect(service.callers.names()).rejects.toMatchObject({ failure: 'denied' });
      await expect(service.readSecret('others')).rejects.toMatchObject({ failure: 'denied' });
    });

    it('is harmless a second time', async () => {
      const first = await provisionVault(server.access, contents);
      const key = await admin((root) => readTransitKey(root, 'store-platform'));
      const versions = await Promise.all([
        versionOf('store-platform/signing-key'),
        versionOf('api-keys/dev-viewer'),
      ]);
      const second = await provisionVault(server.access, { ...contents, transitKey: key });
      expect(second['VAULT_ROLE_ID']).toBe(first['VAULT_ROLE_ID']);
      expect(
        await Promise.all([versionOf('store-platform/signing-key'), versionOf('api-keys/dev-viewer')]),
      ).toEqual(versions);
      for (const env of [first, second]) {
        expect((await serviceOf(env).readSecret('store-platform/signing-key')).field('key')).toBe(
          contents.signingKey,
        );
      }
    });

    it('replaces an API key that is no longer valid', async () => {
      await provisionVault(server.access, contents);
      const other = createApiKey('dev-viewer');
      await provisionVault(server.access, {
        ...contents,
        callers: [{ apiKey: other.apiKey, role: 'viewer' }],
      });
      const record = await admin(async (root) =>
        (await root.read('secret/data/api-keys/dev-viewer')).record('data').plain('data'),
      );
      expect(parseCallerRecord('dev-viewer', record)?.keys).toMatchObject([{ hash: other.hash }]);
    });

    it('brings the Transit key of an earlier Vault along, whichever kind that was', async () => {
      const [earlier, later] = [await startServer({}), await startServer(environment)];
      try {
        const old = serviceOf(await provisionVault(earlier.access, contents));
        const { plaintext, wrapped } = await old.transit.createDataKey();
        const transitKey = await VaultAdmin.use(earlier.access, (root) =>
          readTransitKey(root, 'store-platform'),
        );
        const service = serviceOf(await provisionVault(later.access, { ...contents, transitKey }));
        expect(await service.transit.decrypt(wrapped)).toEqual(plaintext);
        const again = await VaultAdmin.use(later.access, (root) => readTransitKey(root, 'store-platform'));
        expect(again.backup).toEqual(expect.any(String));
      } finally {
        await Promise.all([earlier.stop(), later.stop()]);
      }
    });

    it('refuses a Vault whose Transit key is another one', async () => {
      await provisionVault(server.access, contents);
      const other = await startServer({});
      try {
        await provisionVault(other.access, contents);
        const transitKey = await VaultAdmin.use(other.access, (root) =>
          readTransitKey(root, 'store-platform'),
        );
        const attempt = provisionVault(server.access, { ...contents, transitKey });
        await expect(attempt).rejects.toThrow(WrongTransitKeyError);
      } finally {
        await other.stop();
      }
    });

    it('refuses a Vault that has something else where an engine should be', async () => {
      const other = await startServer(environment);
      try {
        await VaultAdmin.use(other.access, (root) => root.write('sys/mounts/transit', { type: 'kv' }));
        await expect(provisionVault(other.access, contents)).rejects.toThrow(
          "Vault has 'kv' mounted at transit/, where 'transit' is needed",
        );
      } finally {
        await other.stop();
      }
    });

    describe('with a database', () => {
      let database: TestDatabase;
      beforeAll(async () => {
        database = await createTestDatabase();
      });
      afterAll(() => database.drop());

      it('lets Vault make logins that may change data, and drop them while they are in use', async () => {
        const env = await provisionVault(server.access, { ...contents, database: databaseOf(database) });
        expect(env['VAULT_DATABASE_ROLE']).toBe('app');
        await provisionVault(server.access, { ...contents, database: databaseOf(database) });

        const [login, leaseId] = await admin(async (root) => {
          const reply = await root.read('database/creds/app');
          return [reply.record('data'), reply.string('lease_id')] as const;
        });
        const url = new URL(database.ownerUrl);
        url.username = login.string('username');
        url.password = login.string('password');
        expect(url.username).toMatch(/^v-/);
        await withClient(url.href, async (client) => {
          await client.query('SELECT FROM stores');
          await expect(client.query('CREATE TABLE mine ()')).rejects.toMatchObject({ code: '42501' });
          await admin((root) => root.write('sys/leases/revoke', { lease_id: leaseId }));
          await expect(client.query('SELECT FROM stores')).rejects.toMatchObject({ code: '42501' });
        });
        await expect(withClient(url.href, (client) => client.query('SELECT 1'))).rejects.toMatchObject({
          code: '28P01',
        });
      });

      it('says so when Vault cannot log in to it', async () => {
        const wrong = { ...databaseOf(database), admin: { user: 'nobody', password: 'nothing' } };
        await expect(provisionVault(server.access, { ...contents, database: wrong })).rejects.toThrow(
          /^Vault cannot log in to Postgres at 127\.0\.0\.1:\d+ as nobody$/,
        );
      });
    });
  });
}
