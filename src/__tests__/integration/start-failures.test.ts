import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ConfigError, loadConfig } from '../../shared/config/config.js';
import { OperatorError } from '../../shared/errors/operator-error.js';
import { proveLogin } from '../../shared/database/prove-login.js';
import { VaultClient } from '../../shared/services/vault/vault-client.js';
import { vaultPath } from '../../shared/services/vault/vault-path.js';
import { startServer } from '../../store-service/server.js';
import { withClient } from '../../dev/postgres/admin-client.js';
import { recordingLogger } from '../helpers/test-app.js';
import { testDatabaseConfig } from '../helpers/test-manager.js';
import { type Environment, testEnvironment, TestService } from '../helpers/test-service.js';
import { untrustedCertificate } from '../helpers/untrusted-certificate.js';

let service: TestService;
const servers: Server[] = [];
const sockets = new Set<Socket>();

beforeAll(async () => {
  service = await TestService.start();
});

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

afterAll(() => service.stop());

async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** The message with which a start fails, which shows no secret. */
async function failure(overrides: Environment): Promise<string> {
  const env = testEnvironment({
    DATABASE_URLS: service.database.appUrl,
    ...service.vault.environment,
    ...overrides,
  });
  const start = startServer(loadConfig(env), { logger: recordingLogger().logger });
  const error: unknown = await start.then(
    (server) => server.close(),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  const { message } = error as Error;
  for (const secret of ['canary', env['VAULT_TOKEN'], new URL(service.database.appUrl).password]) {
    expect(message).not.toContain(secret);
  }
  return message;
}

describe('a start that fails over Vault', () => {
  it('says that nothing listens there', async () => {
    const message = await failure({ VAULT_ADDR: 'http://127.0.0.1:1' });
    expect(message).toContain(
      'Vault at http://127.0.0.1:1: nothing listens there (ECONNREFUSED). Start it, or correct VAULT_ADDR.',
    );
  });

  it('says that the name is not known', async () => {
    expect(await failure({ VAULT_ADDR: 'http://vault.invalid:8200' })).toMatch(
      /the name vault\.invalid is not known to the name service \((ENOTFOUND|EAI_AGAIN)\)/,
    );
  });

  it('says that there was no answer', async () => {
    const port = await listen(createServer());
    const message = await failure({ VAULT_ADDR: `http://127.0.0.1:${port}`, VAULT_TIMEOUT_MS: '200' });
    expect(message).toContain('no answer within 200 ms');
  });

  it.each([200, 400, 404])('says that what answers with HTML and %i is no Vault', async (status) => {
    const server = createHttpServer((_request, response) => {
      response.writeHead(status, { 'Content-Type': 'text/html' }).end('<html>canary</html>');
    });
    const message = await failure({ VAULT_ADDR: `http://127.0.0.1:${await listen(server)}` });
    expect(message).toContain('what answers there is no Vault');
    expect(message).toContain('Correct VAULT_ADDR');
  });

  it('says that the certificate is not trusted, or of another host', async () => {
    const foreign = await listen(createHttpsServer(untrustedCertificate));
    expect(await failure({ VAULT_ADDR: `https://127.0.0.1:${foreign}` })).toMatch(
      /authority that is not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\).*VAULT_CACERT/,
    );
  });

  it('says that one end speaks TLS and the other does not', async () => {
    const { port } = new URL(service.vault.server.address);
    expect(await failure({ VAULT_ADDR: `https://127.0.0.1:${port}` })).toContain(
      'Check whether VAULT_ADDR must begin with http:// or https://.',
    );
  });

  it('says that it refuses the login', async () => {
    expect(await failure({ VAULT_TOKEN: 'canary-token' })).toContain('it refuses the login (403)');
  });

  it.each([
    [503, /it is sealed.*unseal/],
    [501, /it is not initialised.*operator init/],
  ])('says in which state it is that answers %i', async (status, expected) => {
    const end = service.vault.server.misbehaviour.begin({ misdeed: { kind: 'status', status } });
    try {
      expect(await failure({})).toMatch(expected);
    } finally {
      end();
    }
  });

  it('says which secret is missing', async () => {
    expect(await failure({ VAULT_KV_MOUNT: 'absent' })).toMatch(
      /there is nothing at absent\/data\/store-platform\/signing-key \(404\)|may not read absent\/data/,
    );
  });

  it('says which role gives no login', async () => {
    expect(await failure({ VAULT_DATABASE_ROLE: 'app' })).toContain('database/creds/app');
  });

  it('says what is wrong with the signing key', async () => {
    const { address, rootToken } = service.vault.server;
    const client = new VaultClient({ address, timeoutMs: 5_000, maxResponseBytes: 100_000, maxSockets: 1 });
    const call = { operation: 'test', token: rootToken };
    const path = vaultPath('secret/data/store-platform/signing-key');
    const former = (await client.read(path, call)).body as { data: { data: object } };
    await client.write(path, { data: { key: 'canary' } }, call);
    const message = await failure({});
    await client.write(path, { data: former.data.data }, call);
    client.close();
    expect(message).toContain('secret/data/store-platform/signing-key in Vault: its field "key" must hold');
  });
});

describe('a login that no node accepts', () => {
  const login = (): { id: string; username: string; password: string; mayExpire: boolean } => {
    const { username, password } = new URL(service.database.appUrl);
    return { id: '1', username, password: decodeURIComponent(password), mayExpire: true };
  };

  async function refusal(url: string, config = {}, change = {}): Promise<string> {
    const settings = testDatabaseConfig([url], config);
    const error: unknown = await proveLogin(settings, { ...login(), ...change }, 'stores').catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(OperatorError);
    const { message } = error as OperatorError;
    expect(message).not.toContain(login().password);
    expect(message).not.toContain('canary');
    return message;
  }

  const at = (change: (url: URL) => void): string => {
    const url = new URL(service.database.appUrl);
    change(url);
    return url.href;
  };

  it('names each node, why it cannot be used, and what to do', async () => {
    const nowhere = 'postgresql://127.0.0.1:1/stores';
    const absent = at((url) => (url.pathname = '/absent'));
    const settings = testDatabaseConfig([nowhere, absent]);
    await expect(proveLogin(settings, login(), 'stores')).rejects.toThrow(
      /127\.0\.0\.1:1\/stores: nothing listens there \(ECONNREFUSED\).*\n.*\/absent: it has no database named absent \(3D000\)/,
    );
  });

  it('says that the password is refused, that a name is unknown, that nothing answers', async () => {
    const { appUrl } = service.database;
    expect(await refusal(appUrl, {}, { password: 'canary' })).toContain('(28P01)');
    expect(await refusal('postgresql://db.invalid/stores')).toMatch(/db\.invalid is not known/);
    const port = await listen(createServer());
    expect(await refusal(`postgresql://127.0.0.1:${port}/stores`, { connectTimeoutMs: 200 })).toContain(
      'no answer within 200 ms',
    );
  });

  it('says that TLS is not offered, or not trusted', async () => {
    expect(await refusal(service.database.appUrl, { tls: { verifyHost: true } })).toContain(
      'it does not offer TLS, which DATABASE_TLS asks for',
    );
  });

  it('says that the table is missing', async () => {
    const { appUrl } = service.database;
    const settings = testDatabaseConfig([appUrl]);
    await expect(proveLogin(settings, login(), 'absent_table')).rejects.toThrow(
      /a table of the platform is missing \(42P01\).*npm run migrate/,
    );
  });
});

describe('a start with a schema that is too old', () => {
  const sql = (text: string): Promise<unknown> =>
    withClient(service.database.ownerUrl, (client) => client.query(text));

  it('says which migrations are missing, and what to do', async () => {
    await sql("UPDATE schema_migrations SET name = 'x' WHERE name = '0003_operator_actions'");
    const message = await failure({});
    await sql("UPDATE schema_migrations SET name = '0003_operator_actions' WHERE name = 'x'");
    expect(message).toMatch(/it lacks 0003_operator_actions\. .*npm run migrate/);
  });

  it('starts on a newer one', async () => {
    await sql("INSERT INTO schema_migrations (name, run_on) VALUES ('9999_newer', now())");
    const config = loadConfig(
      testEnvironment({ DATABASE_URLS: service.database.appUrl, ...service.vault.environment }),
    );
    await (await startServer(config, { logger: recordingLogger().logger })).close();
    await sql("DELETE FROM schema_migrations WHERE name = '9999_newer'");
  });
});

describe('a start without its database', () => {
  it('comes up, and says in the log why each node cannot be used and what to do', async () => {
    const absent = new URL(service.database.appUrl);
    absent.pathname = '/absent';
    const urls = ['postgresql://any:canary@127.0.0.1:1/stores', absent.href];
    const env = testEnvironment({ DATABASE_URLS: urls.join(','), ...service.vault.environment });
    const { logger, lines } = recordingLogger();
    await (await startServer(loadConfig(env), { logger })).close();
    const warnings = lines.filter((line) => line.includes('A database node cannot be used'));
    expect(warnings).toEqual([
      expect.stringMatching(/127\.0\.0\.1:1\/stores.*nothing listens there.*Start that Postgres/),
      expect.stringMatching(/no database named absent.*Create that database/),
    ]);
    expect(lines.join('')).not.toContain('canary');
  });
});

describe('a start on a machine that does not suit', () => {
  it('says which folder cannot be written to, before anything else', async () => {
    const env = testEnvironment({
      JOURNAL_DIR: `${foreignPath()}/journal`,
      VAULT_ADDR: 'http://127.0.0.1:1',
    });
    const start = startServer(loadConfig(env), { logger: recordingLogger().logger });
    await expect(start).rejects.toThrow(ConfigError);
    await expect(start).rejects.toThrow(
      /JOURNAL_DIR: .*is no folder to write to: .* is a file, not a folder/,
    );
  });

  it('says that another process has the port, before anything else', async () => {
    const port = await listen(createServer());
    const message = await failure({ PORT: String(port), VAULT_ADDR: 'http://127.0.0.1:1' });
    expect(message).toContain(`PORT ${port}: another process listens on that port of 127.0.0.1 (EADDRINUSE)`);
  });

  it('says that the address is none of this machine', async () => {
    expect(await failure({ HOST: '192.0.2.1' })).toContain(
      'HOST 192.0.2.1: it is no address of this machine (EADDRNOTAVAIL)',
    );
  });
});

/** A file that is surely there. */
function foreignPath(): string {
  return process.execPath;
}
