import { chown, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runCli } from '../../../cli/run-cli.js';
import { withOwnerClient } from '../../../shared/database/owner-client.js';
import { FaultCluster } from '../../helpers/fault-cluster.js';
import { foreignCertificate } from '../../helpers/foreign-certificate.js';
import { untrustedCertificate } from '../../helpers/untrusted-certificate.js';

let cluster: FaultCluster;
let url: string;

beforeAll(async () => {
  cluster = await FaultCluster.start();
  url = cluster.appUrl(cluster.primary);
}, 60_000);

afterAll(() => cluster.stop());

/** `npm run migrate` with this environment. Its output shows no password. */
async function migrate(env: Record<string, string>): Promise<{ code: number; output: string }> {
  let output = '';
  const stream = () => new PassThrough().on('data', (text: Buffer) => (output += text.toString()));
  const stdin = Object.assign(new PassThrough(), { isTTY: false });
  const code = await runCli(['migrate'], { env, stdin, stdout: stream(), stderr: stream() });
  expect(output).not.toContain(new URL(url).password);
  return { code, output };
}

/** Turns TLS on with a certificate, or off. */
async function useCertificate(pair: { cert: string; key: string } | undefined): Promise<void> {
  const { path } = cluster.primary.data;
  const { uid, gid } = await stat(path);
  for (const [name, text] of Object.entries(pair ?? {})) {
    const file = join(path, `server.${name === 'cert' ? 'crt' : 'key'}`);
    await writeFile(file, text, { mode: 0o600 });
    await chown(file, uid, gid);
  }
  await cluster.set(cluster.primary, 'ssl', pair ? 'on' : 'off');
}

describe('migrations', () => {
  it('go to no server without TLS in production, and say what to do', async () => {
    await useCertificate(undefined);
    const { code, output } = await migrate({ DATABASE_OWNER_URL: url });
    expect(code).toBe(1);
    expect(output).toContain('it does not offer TLS, which DATABASE_TLS asks for. Turn on ssl');
  });

  it('go to no server whose certificate is not trusted, or of another host', async () => {
    await useCertificate(untrustedCertificate);
    expect(await migrate({ DATABASE_OWNER_URL: url })).toMatchObject({
      code: 1,
      output: expect.stringContaining('authority that is not trusted (DEPTH_ZERO_SELF_SIGNED_CERT)'),
    });
    await useCertificate(foreignCertificate);
    const env = { DATABASE_OWNER_URL: url, DATABASE_TLS_CA: foreignCertificate.cert };
    expect(await migrate(env)).toMatchObject({
      code: 1,
      output: expect.stringContaining('(ERR_TLS_CERT_ALTNAME_INVALID)'),
    });
  });

  it('are encrypted where the server is trusted', async () => {
    await useCertificate(untrustedCertificate);
    const access = { connectionString: url, variable: 'DATABASE_OWNER_URL', connectTimeoutMs: 5_000 };
    const isEncrypted = (tls?: { ca: string; verifyHost: boolean }): Promise<boolean | undefined> =>
      withOwnerClient({ ...access, tls }, async (client) => {
        const { rows } = await client.query<{ ssl: boolean }>(
          'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
        );
        return rows[0]?.ssl;
      });
    expect(await isEncrypted({ ca: untrustedCertificate.cert, verifyHost: true })).toBe(true);
    expect(await isEncrypted()).toBe(false);
  });

  it.each([
    ['sslmode=disable', { NODE_ENV: 'production' }],
    ['sslmode=require', { DATABASE_TLS: 'verify-full' }],
    ['sslmode=prefer', { DATABASE_TLS: 'off' }],
    ['sslmode=verify-full', { DATABASE_TLS: 'off' }],
    ['sslmode=disable&sslmode=verify-full', { DATABASE_TLS: 'off' }],
  ])('refuse %s with %j', async (query, env) => {
    const { code, output } = await migrate({ ...env, DATABASE_OWNER_URL: `${url}?${query}` });
    expect(code).toBe(78);
    expect(output).toContain('DATABASE_OWNER_URL: its sslmode is not what DATABASE_TLS says');
  });

  it('take an sslmode that says the same, and no other parameter', async () => {
    await useCertificate(undefined);
    const ownerUrl = ownerOf();
    const off = { DATABASE_TLS: 'off' };
    expect(await migrate({ ...off, DATABASE_OWNER_URL: `${ownerUrl}?sslmode=disable` })).toEqual({
      code: 0,
      output: 'The schema is up to date\n',
    });
    expect((await migrate({ ...off, DATABASE_OWNER_URL: `${ownerUrl}?host=/tmp` })).code).toBe(78);
    expect((await migrate({ ...off, DATABASE_OWNER_URL: `${ownerUrl},${ownerUrl}` })).code).toBe(78);
  });

  it('say what is wrong with a name or a password', async () => {
    const ownerUrl = ownerOf();
    const off = { DATABASE_TLS: 'off' };
    const absent = new URL(ownerUrl);
    absent.pathname = '/absent';
    const wrong = new URL(ownerUrl);
    wrong.password = 'canary';
    for (const [address, words] of [
      [absent.href, 'it has no database named absent (3D000)'],
      [wrong.href, 'Correct the login in DATABASE_OWNER_URL'],
    ] as const) {
      const { code, output } = await migrate({ ...off, DATABASE_OWNER_URL: address });
      expect(code).toBe(1);
      expect(output).toContain(words);
      expect(output).not.toContain('canary');
    }
  });
});

/** The connection string of the owner. */
function ownerOf(): string {
  const { admin } = cluster.forVault();
  const address = new URL(url);
  address.username = admin.user;
  address.password = admin.password;
  return address.href;
}
