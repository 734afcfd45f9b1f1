import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { untrustedCertificate } from '../helpers/untrusted-certificate.js';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DevVault } from '../../dev/vault/dev-vault.js';
import type { Misdeed } from '../../dev/vault/misbehaviour.js';
import { VaultClient } from '../../shared/services/vault/vault-client.js';
import { VaultError } from '../../shared/services/vault/vault-error.js';
import { vaultPath } from '../../shared/services/vault/vault-path.js';
import { parseRetryAfter } from '../../shared/services/vault/vault-transport.js';

const token = 'hvs.CANARY-token-4711';
const password = 'CANARY-password-0815';
const limits = { timeoutMs: 300, maxResponseBytes: 50_000, maxSockets: 4 };

async function errorOf(call: Promise<unknown>): Promise<VaultError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(VaultError);
  return error as VaultError;
}

/** Everything that a careless logger could print of an error. */
function everythingOf(error: Error): string {
  return [
    inspect(error, { depth: 10, showHidden: true }),
    JSON.stringify(error),
    error.stack,
    String(error),
  ].join();
}

describe('the Vault client', () => {
  let vault: DevVault;
  let client: VaultClient;
  const write = (call: { signal?: AbortSignal; timeoutMs?: number } = {}) =>
    client.write(
      vaultPath('secret/data/x'),
      { data: { password } },
      { operation: 'kv.write', token, ...call },
    );

  beforeEach(async () => {
    vault = await DevVault.start({ rootToken: token });
    client = new VaultClient({ address: vault.address, ...limits });
  });
  afterEach(async () => {
    client.close();
    await vault.close();
  });

  it.each<[string, Misdeed, Partial<VaultError>]>([
    ['a seal', { kind: 'status', status: 503 }, { failure: 'sealed', status: 503 }],
    [
      'a rate limit',
      { kind: 'status', status: 429, retryAfter: '7' },
      { failure: 'rate_limited', retryAfterMs: 7000 },
    ],
    ['a standby that lags behind', { kind: 'status', status: 412 }, { failure: 'behind' }],
    ['a recovery secondary', { kind: 'status', status: 472 }, { failure: 'unreachable', status: 472 }],
    ['a performance standby', { kind: 'status', status: 473 }, { failure: 'unreachable', status: 473 }],
    ['an internal error', { kind: 'status', status: 500, errors: [password] }, { failure: 'server_error' }],
    ['a third party that fails', { kind: 'status', status: 502 }, { failure: 'server_error' }],
    ['a refusal', { kind: 'status', status: 403, errors: [password] }, { failure: 'denied' }],
    ['nothing there', { kind: 'status', status: 404 }, { failure: 'not_found' }],
    ['bad input', { kind: 'status', status: 400, errors: [password] }, { failure: 'rejected' }],
    ['no answer', { kind: 'hang' }, { failure: 'timeout' }],
    ['a slow answer', { kind: 'slow', delayMs: 5000 }, { failure: 'timeout' }],
    ['a reset', { kind: 'reset' }, { failure: 'unreachable', reason: 'ECONNRESET' }],
    ['half an answer', { kind: 'truncated' }, { failure: 'unreachable' }],
    ['nonsense', { kind: 'malformed' }, { failure: 'malformed' }],
    ['too much', { kind: 'oversized', bytes: 60_000 }, { failure: 'oversized' }],
    [
      'a way to another host',
      { kind: 'redirect', location: 'http://127.0.0.1:9/' },
      { failure: 'redirected' },
    ],
  ])('makes an error of its own, without token and payload, of %s', async (_, misdeed, expected) => {
    vault.misbehaviour.begin({ misdeed });
    const error = await errorOf(write());
    expect(error).toMatchObject({ operation: 'kv.write', ...expected });
    expect(error.cause).toBeUndefined();
    expect(everythingOf(error)).not.toMatch(/CANARY/);
  });

  it('makes an error of its own of a refused connection', async () => {
    await vault.close();
    const error = await errorOf(write());
    expect(error).toMatchObject({ failure: 'unreachable', reason: 'ECONNREFUSED' });
    expect(everythingOf(error)).not.toMatch(/CANARY/);
    vault = await DevVault.start();
  });

  it('sends nothing after a redirect', async () => {
    const seen: string[] = [];
    const other = await listen((request, response) => {
      seen.push(request.url ?? '');
      response.end('{}');
    });
    vault.misbehaviour.begin({ misdeed: { kind: 'redirect', location: `${other.address}/stolen` } });
    expect((await errorOf(write())).failure).toBe('redirected');
    expect(seen).toEqual([]);
    other.server.close();
  });

  it('gives up as soon as it is told to', async () => {
    vault.misbehaviour.begin({ misdeed: { kind: 'hang' } });
    const controller = new AbortController();
    const call = write({ signal: controller.signal, timeoutMs: 60_000 });
    controller.abort();
    expect((await errorOf(call)).failure).toBe('cancelled');
    expect((await errorOf(write({ signal: controller.signal }))).failure).toBe('cancelled');
  });

  it('frees its sockets after timeouts', async () => {
    vault.misbehaviour.begin({ misdeed: { kind: 'hang' }, times: 12 });
    const calls = await Promise.all(Array.from({ length: 4 }, () => errorOf(write())));
    expect(calls.map(({ failure }) => failure)).toEqual(Array(4).fill('timeout'));
    vault.misbehaviour.end();
    await expect(write()).resolves.toMatchObject({ status: 200 });
  });

  it('listens to none of the environment variables of the library', async () => {
    const before = { ...process.env };
    Object.assign(process.env, {
      VAULT_TOKEN: token,
      VAULT_NAMESPACE: 'elsewhere',
      VAULT_PREFIX: '/elsewhere',
      VAULT_SKIP_VERIFY: '1',
    });
    const seen: IncomingMessage['headers'][] = [];
    const paths: (string | undefined)[] = [];
    const other = await listen((request, response) => {
      seen.push(request.headers);
      paths.push(request.url);
      response.end('{}');
    });
    try {
      const strict = new VaultClient({ address: other.address, ...limits });
      await strict.read(vaultPath('sys/health'), { operation: 'health' });
      strict.close();
    } finally {
      process.env = before;
      other.server.close();
    }
    expect(paths).toEqual(['/v1/sys/health']);
    expect(seen[0]).toMatchObject({ 'accept-encoding': 'identity', 'x-vault-request': 'true' });
    expect(seen[0]).not.toHaveProperty('x-vault-token');
    expect(seen[0]).not.toHaveProperty('x-vault-namespace');
  });

  it('trusts no certificate that it was not told to trust, whatever the environment says', async () => {
    const before = { ...process.env };
    Object.assign(process.env, { VAULT_SKIP_VERIFY: '1', NODE_TLS_REJECT_UNAUTHORIZED: '0' });
    let asked = 0;
    const server = createHttpsServer(untrustedCertificate, (_, response) => {
      asked += 1;
      response.end('{}');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const wary = new VaultClient({ address, ...limits });
      const call = wary.read(vaultPath('sys/health'), { operation: 'health', token });
      expect(await errorOf(call)).toMatchObject({
        failure: 'unreachable',
        reason: 'DEPTH_ZERO_SELF_SIGNED_CERT',
      });
      wary.close();
      expect(asked).toBe(0);
      const told = new VaultClient({ address, ca: untrustedCertificate.cert, ...limits });
      await expect(told.read(vaultPath('sys/health'), { operation: 'health' })).resolves.toMatchObject({
        status: 200,
      });
      told.close();
    } finally {
      process.env = before;
      server.closeAllConnections();
      server.close();
    }
  });

  it('refuses a compressed answer', async () => {
    const other = await listen((_, response) => {
      response.setHeader('content-encoding', 'gzip');
      response.end('{"data":{}}');
    });
    const strict = new VaultClient({ address: other.address, ...limits });
    const error = await errorOf(strict.read(vaultPath('secret/data/x'), { operation: 'kv.read' }));
    expect(error.failure).toBe('malformed');
    strict.close();
    other.server.close();
  });

  it.each(['http://user:pw@host', 'http://host/path', 'http://host?x', 'ftp://host', 'nonsense'])(
    'is not made for the address %s',
    (address) => {
      expect(() => new VaultClient({ address, ...limits })).toThrow('http(s)://host:port');
    },
  );
});

describe('a Vault path', () => {
  it.each([
    ['..'],
    ['a/../b'],
    ['a//b'],
    [''],
    ['a?b'],
    ['a%2fb'],
    ['a&#x2F;b'],
    ['a b'],
    ['a/'],
    ['.a'],
    ['é'],
  ])('is not made of %s', (text) => {
    expect(() => vaultPath('secret', text)).toThrow(/^Segment \d of a Vault path is not allowed$/);
  });

  it('joins parts', () => {
    expect(vaultPath('team/kv', 'data', 'a_b/c.d-e')).toBe('team/kv/data/a_b/c.d-e');
  });
});

describe('Retry-After', () => {
  it.each([
    ['0', 0],
    ['12', 12_000],
    ['999999999', 3_600_000],
    ['Thu, 01 Jan 1970 00:00:30 GMT', 20_000],
    ['Thu, 01 Jan 1970 00:00:05 GMT', 0],
    ['soon', undefined],
    [undefined, undefined],
  ])('%s is %s ms', (value, expected) => {
    expect(parseRetryAfter(value, 10_000)).toBe(expected);
  });
});

async function listen(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ server: Server; address: string }> {
  const server = createHttpServer(handle).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
