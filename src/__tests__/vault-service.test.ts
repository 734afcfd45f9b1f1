import { describe, expect, it } from '@jest/globals';
import type { Misdeed } from '../dev/vault/misbehaviour.js';
import { waitUntil } from '../dev/wait-until.js';
import { OverloadedError } from '../shared/errors/app-error.js';
import { LoginCredential } from '../shared/services/vault/login-credential.js';
import {
  appRoleLogin,
  kubernetesLogin,
  tokenLogin,
  type LoginStrategy,
} from '../shared/services/vault/login-strategies.js';
import { VaultError } from '../shared/services/vault/vault-error.js';
import { vaultPath } from '../shared/services/vault/vault-path.js';
import { VaultService } from '../shared/services/vault-service.js';
import { failureOf } from './helpers/failure-of.js';
import { ManualClock } from './helpers/manual-clock.js';
import { useVaultBench, type VaultBench } from './helpers/vault-bench.js';

const soon = { timeoutMs: 5000, intervalMs: 5 };
const hourMs = 3_600_000;

const { start, bench } = useVaultBench();

/** Trips every breaker that a read goes through. */
async function exhaust(call: () => Promise<unknown>): Promise<void> {
  for (let attempt = 0; attempt < 4; attempt += 1) await failureOf(call());
}

describe('reading secrets', () => {
  it('logs in when first needed, and gives the newest version and its source', async () => {
    const { service, recorder } = await start();
    expect(bench().seen()).toBe(0);
    await bench().putSecret('app/smtp', { password: 'old' });
    await bench().putSecret('app/smtp', { password: 'new' });
    const secret = await service.readSecret('app/smtp');
    expect(secret.field('password')).toBe('new');
    expect(secret).toMatchObject({ version: 2, source: 'vault' });
    expect((await service.readSecretVersion('app/smtp', 1)).field('password')).toBe('old');
    expect(recorder.lines).toContainEqual({
      level: 'info',
      message: 'A secret was read',
      fields: { path: 'app/smtp', source: 'vault', version: 2 },
    });
    expect(recorder.counted('vault_secret_reads_total', { source: 'vault' })).toBe(2);
  });

  it('makes one login and one read for a thousand callers at once', async () => {
    const { service } = await start();
    await bench().putSecret('app/smtp', { password: 'x' });
    bench().vault.requests.length = 0;
    await Promise.all(Array.from({ length: 1000 }, () => service.readSecret('app/smtp')));
    expect(bench().seen('auth/approle/login')).toBe(1);
    expect(bench().seen('secret/data/app/smtp')).toBe(1);
  });

  it('says what is missing: the secret, a field, a deleted version', async () => {
    const { service, admin, root } = await start();
    expect(await failureOf(service.readSecret('app/none'))).toMatchObject({ failure: 'not_found' });
    await bench().putSecret('app/smtp', { password: 'x' });
    const secret = await service.readSecret('app/smtp');
    expect(() => secret.field('toString')).toThrow(VaultError);
    await admin.delete(vaultPath('secret/data/app/smtp'), root);
    expect(await failureOf(service.readSecret('app/smtp'))).toMatchObject({ failure: 'not_found' });
  });

  it.each(['../sys/seal', 'a?version=1', 'a//b'])('refuses the path %s', async (path) => {
    const { service } = await start();
    await expect(service.readSecret(path)).rejects.toThrow(TypeError);
    expect(bench().seen()).toBe(0);
  });
});

describe('while Vault is away', () => {
  const fallback = {
    config: {
      environmentFallback: { 'app/smtp': { password: 'SMTP_PASSWORD' }, 'app/half': { a: 'A', b: 'B' } },
    },
    env: { SMTP_PASSWORD: 'from-env', A: 'a' },
  };

  it.each<[string, (target: VaultBench) => void]>([
    ['sealed', ({ vault }) => (vault.state.isSealed = true)],
    ['hanging', ({ vault }) => vault.misbehaviour.begin({ misdeed: { kind: 'hang' } })],
    ['resetting', ({ vault }) => vault.misbehaviour.begin({ misdeed: { kind: 'reset' } })],
    ['talking nonsense', ({ vault }) => vault.misbehaviour.begin({ misdeed: { kind: 'malformed' } })],
    ['cutting answers short', ({ vault }) => vault.misbehaviour.begin({ misdeed: { kind: 'truncated' } })],
    ['failing inside', ({ vault }) => vault.misbehaviour.begin({ misdeed: { kind: 'status', status: 500 } })],
    ['rate-limiting', ({ vault }) => vault.misbehaviour.begin({ misdeed: { kind: 'status', status: 429 } })],
  ])('%s: the last good value stands in until its time is over, then the environment', async (_, breakIt) => {
    const clock = new ManualClock();
    const { service, recorder } = await start({
      ...fallback,
      clock,
      config: { ...fallback.config, lastGoodMs: 60_000 },
    });
    await bench().putSecret('app/smtp', { password: 'good' });
    await service.readSecret('app/smtp');
    breakIt(bench());
    const standIn = await service.readSecret('app/smtp');
    expect(standIn).toMatchObject({ source: 'cache', version: 1 });
    expect(standIn.field('password')).toBe('good');
    clock.advance(60_000);
    const last = await service.readSecret('app/smtp');
    expect(last).toMatchObject({ source: 'env', version: undefined });
    expect(last.field('password')).toBe('from-env');
    expect(recorder.counted('vault_fallbacks_total', { source: 'cache' })).toBe(1);
    expect(recorder.counted('vault_fallbacks_total', { source: 'env' })).toBe(1);
  });

  it('nothing stands in for what is not listed, or not whole', async () => {
    const { service } = await start(fallback);
    bench().vault.state.isSealed = true;
    expect(await failureOf(service.readSecret('app/other'))).toMatchObject({ failure: 'sealed' });
    expect(await failureOf(service.readSecret('app/half'))).toMatchObject({ failure: 'sealed' });
  });

  it('fails closed when the time of the last good value is over', async () => {
    const clock = new ManualClock();
    const { service } = await start({ clock });
    await bench().putSecret('app/key', { password: 'good' });
    await service.readSecret('app/key');
    bench().vault.state.isSealed = true;
    clock.advance(15 * 60_000 - 1);
    expect((await service.readSecret('app/key')).source).toBe('cache');
    clock.advance(1);
    expect(await failureOf(service.readSecret('app/key'))).toBeInstanceOf(Error);
  });

  it.each<[string, Misdeed, string]>([
    ['403', { kind: 'status', status: 403 }, 'denied'],
    ['404', { kind: 'status', status: 404 }, 'not_found'],
    ['400', { kind: 'status', status: 400 }, 'rejected'],
  ])('is not what a %s means: nothing stands in', async (_, misdeed, failure) => {
    const { service } = await start(fallback);
    await bench().putSecret('app/smtp', { password: 'good' });
    await service.readSecret('app/smtp');
    const end = bench().vault.misbehaviour.begin({ pathPrefix: 'secret/', misdeed });
    expect(await failureOf(service.readSecret('app/smtp'))).toMatchObject({ failure });
    end();
    bench().vault.state.isSealed = true;
    expect((await service.readSecret('app/smtp')).source).toBe('env');
  });

  it('our own refusal of wrong credentials is not it either', async () => {
    const { service } = await start({
      ...fallback,
      login: () => tokenLogin('hvs.not-a-token'),
    });
    expect(await failureOf(service.readSecret('app/smtp'))).toMatchObject({ failure: 'denied' });
  });

  it('our own overload is not it either, and does not make us forget', async () => {
    const { service, vault } = await start();
    await bench().putSecret('app/smtp', { password: 'good' });
    await service.readSecret('app/smtp');
    vault.misbehaviour.begin({ pathPrefix: 'secret/', misdeed: { kind: 'hang' } });
    const others = Array.from({ length: 64 }, (_, index) => failureOf(service.readSecret(`app/${index}`)));
    expect(await failureOf(service.readSecret('app/smtp'))).toBeInstanceOf(OverloadedError);
    await Promise.all(others);
    expect((await service.readSecret('app/smtp')).source).toBe('cache');
  });

  it('nor is a service account token that cannot be read, however often', async () => {
    const jwt = LoginCredential.inFile('/nowhere/at/all');
    const { service } = await start({
      ...fallback,
      login: () => kubernetesLogin({ mount: 'kubernetes', role: 'platform', jwt }),
    });
    for (let call = 0; call < 20; call += 1) {
      const expected = { failure: 'denied', reason: 'NO_CREDENTIAL' };
      expect(await failureOf(service.readSecret('app/smtp'))).toMatchObject(expected);
    }
  });

  it('callers and keys never come from the environment, and cannot be listed', async () => {
    const { vault } = await start();
    const environmentFallback = { 'api-keys/ops': { role: 'ROLE' } };
    const config = { address: vault.address, transitKey: 'stores', environmentFallback };
    const make = () => new VaultService(config, { login: tokenLogin('x'), log: bench().recorder });
    expect(make).toThrow('must never come from the environment');
    bench().vault.state.isSealed = true;
    expect(await failureOf(bench().service.transit.encrypt(Buffer.from('x')))).toMatchObject({
      failure: 'sealed',
    });
    expect(await failureOf(bench().service.callers.find('ops'))).toBeInstanceOf(Error);
  });

  it('at most one request a second is made, whoever asks', async () => {
    const { service, vault } = await start();
    await service.readSecret('app/none').catch(() => undefined);
    vault.misbehaviour.begin({ misdeed: { kind: 'status', status: 503 } });
    const ask = () =>
      Promise.allSettled([
        service.readSecret('app/none'),
        service.callers.find('ops'),
        service.transit.encrypt(Buffer.from('x')),
        service.transit.decrypt('vault:v1:x'),
        service.health(),
      ]);
    for (let round = 0; round < 3; round += 1) await ask();
    vault.requests.length = 0;
    const startedMs = performance.now();
    while (performance.now() - startedMs < 2500) await ask();
    expect(bench().seen()).toBeGreaterThanOrEqual(1);
    expect(bench().seen()).toBeLessThanOrEqual(3);
  });
});

describe('breakers', () => {
  it('open by use: reads that fail do not stop encryption', async () => {
    const { service, vault } = await start();
    vault.misbehaviour.begin({ pathPrefix: 'secret/', misdeed: { kind: 'status', status: 500 } });
    await exhaust(() => service.readSecret('app/x'));
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject({ code: 'circuit_open' });
    await expect(service.transit.encrypt(Buffer.from('x'))).resolves.toMatch(/^vault:v1:/);
    expect(
      bench()
        .breakers.list()
        .map(({ name, state }) => [name, state]),
    ).toEqual([
      ['vault-database', 'closed'],
      ['vault-decrypt', 'closed'],
      ['vault-encrypt', 'closed'],
      ['vault-login', 'closed'],
      ['vault-reads', 'open'],
      ['vault-security', 'closed'],
    ]);
    expect((await service.health()).status).toBe('degraded');
  });

  it.each([400, 403, 404, 412, 429])('stay closed whatever number of %i', async (status) => {
    const { service, vault } = await start();
    await service.readSecret('app/none').catch(() => undefined);
    vault.misbehaviour.begin({ pathPrefix: 'secret/', misdeed: { kind: 'status', status } });
    for (let call = 0; call < 20; call += 1) await failureOf(service.readSecret('app/x'));
    expect(bench().breakers.get('vault-reads').state).toBe('closed');
  });

  it('can be isolated: what that use is for fails, and nothing else', async () => {
    const { service } = await start();
    bench().breakers.isolate('vault-decrypt');
    expect(await failureOf(service.transit.decrypt('vault:v1:x'))).toMatchObject({ code: 'circuit_open' });
    await expect(service.transit.encrypt(Buffer.from('x'))).resolves.toMatch(/^vault:v1:/);
    bench().breakers.restore('vault-decrypt');
    expect(await failureOf(service.transit.decrypt('vault:v1:x'))).not.toMatchObject({
      code: 'circuit_open',
    });
  });

  it('are told to be closed from the start', async () => {
    const { recorder } = await start();
    expect(recorder.counted('breaker_state', { state: 'closed', value: '1' })).toBe(6);
  });

  it('close again once Vault is back', async () => {
    const clock = new ManualClock();
    const { service, vault, recorder } = await start({ clock });
    await bench().putSecret('app/x', { a: 'b' });
    await service.readSecret('app/x');
    const end = vault.misbehaviour.begin({ pathPrefix: 'secret/', misdeed: { kind: 'reset' } });
    await exhaust(() => service.readSecretVersion('app/x', 1));
    expect(bench().breakers.get('vault-reads').state).toBe('open');
    end();
    clock.advance(1500);
    await service.readSecretVersion('app/x', 1);
    await service.readSecretVersion('app/x', 1);
    expect(bench().breakers.get('vault-reads').state).toBe('closed');
    expect(recorder.counted('breaker_transitions_total', { breaker: 'vault-reads' })).toBe(3);
  });
});

describe('the token', () => {
  it('is given up for a new one after a 403 if it is dead: one login for everybody, one retry each', async () => {
    const { service } = await start();
    await bench().putSecret('app/x', { a: 'b' });
    await service.readSecret('app/x');
    await bench().revokeTokens();
    bench().vault.requests.length = 0;
    const uses = Array.from({ length: 50 }, () => service.readSecretVersion('app/x', 1));
    await expect(Promise.all(uses)).resolves.toHaveLength(50);
    expect(bench().seen('auth/approle/login')).toBe(1);
    expect(bench().seen('secret/data/app/x')).toBeLessThanOrEqual(100);
  });

  it('is kept after a 403 if it is alive: the denial stands, and is not asked about again and again', async () => {
    const { service } = await start();
    bench().vault.misbehaviour.begin({ pathPrefix: 'secret/', misdeed: { kind: 'status', status: 403 } });
    for (let call = 0; call < 10; call += 1) {
      expect(await failureOf(service.readSecret('app/x'))).toMatchObject({ failure: 'denied' });
    }
    expect(bench().seen('auth/approle/login')).toBe(1);
    expect(bench().seen('auth/token/lookup-self')).toBe(1);
  });

  it('leaves a denial standing when it cannot be told whether it is alive: nothing stands in then', async () => {
    const { service, vault } = await start({
      config: { environmentFallback: { 'app/x': { a: 'A' } } },
      env: { A: 'from-env' },
    });
    await failureOf(service.readSecret('app/y'));
    vault.misbehaviour.begin({ pathPrefix: 'secret/', misdeed: { kind: 'status', status: 403 } });
    vault.misbehaviour.begin({ pathPrefix: 'auth/token/lookup-self', misdeed: { kind: 'reset' } });
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject({ failure: 'denied' });
    expect(bench().seen('auth/approle/login')).toBe(1);
  });

  it('is denied for good when a second one is denied too', async () => {
    const { service } = await start();
    await service.readSecret('app/x').catch(() => undefined);
    await bench().revokeTokens();
    bench().vault.requests.length = 0;
    bench().vault.misbehaviour.begin({ pathPrefix: 'secret/', misdeed: { kind: 'status', status: 403 } });
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject({ failure: 'denied' });
    expect(bench().seen('secret/')).toBe(2);
    expect(bench().seen('auth/approle/login')).toBe(1);
  });

  it('of 768 hours is renewed once in 700 hours', async () => {
    const clock = new ManualClock();
    const { service } = await start({ clock, tokenTtl: '768h' });
    await service.readSecret('app/x').catch(() => undefined);
    await bench().pass(clock, 511 * hourMs);
    expect(bench().seen('auth/token/renew-self')).toBe(0);
    await bench().pass(clock, 2 * hourMs);
    await waitUntil('the renewal', () => bench().recorder.counted('vault_renewals_total') === 1, soon);
    await bench().pass(clock, 180 * hourMs);
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject({ failure: 'not_found' });
    expect(bench().seen('auth/token/renew-self')).toBe(1);
    expect(bench().seen('auth/approle/login')).toBe(1);
  });

  it.each([400, 403])('is replaced when its renewal is refused: %i', async (status) => {
    const clock = new ManualClock();
    const { service } = await start({ clock });
    await service.readSecret('app/x').catch(() => undefined);
    bench().vault.misbehaviour.begin({
      pathPrefix: 'auth/token/renew-self',
      misdeed: { kind: 'status', status },
    });
    await bench().pass(clock, 41 * 60_000);
    await waitUntil('the second login', () => bench().recorder.counted('vault_logins_total') === 2, soon);
  });

  it('is not asked for over and over with wrong credentials', async () => {
    const { service, recorder } = await start({ login: () => tokenLogin('hvs.wrong') });
    for (let call = 0; call < 20; call += 1) {
      expect(await failureOf(service.readSecret('app/x'))).toMatchObject({ failure: 'denied' });
    }
    expect(bench().seen()).toBe(1);
    expect(recorder.counted('vault_security_events_total', { event: 'login_refused' })).toBe(1);
  });

  it('is given back at the end', async () => {
    const { service, vault } = await start();
    await service.readSecret('app/x').catch(() => undefined);
    expect(vault.state.tokens.all()).toHaveLength(2);
    await service.close();
    expect(vault.state.tokens.all()).toHaveLength(1);
  });
});

it('a login that is under way at the end is given back', async () => {
  const gate = Promise.withResolvers<undefined>();
  const { service, vault } = await start({
    login: (credentials) => {
      const inner = appRoleLogin({ mount: 'approle', ...credentials });
      const login: LoginStrategy['login'] = async (client, signal) => {
        const grant = await inner.login(client, signal);
        await gate.promise;
        return grant;
      };
      return { ...inner, login };
    },
  });
  const read = failureOf(service.readSecret('app/x'));
  await waitUntil('the login', () => bench().seen('auth/approle/login') === 1, soon);
  await bench().quiet();
  const closed = service.close();
  gate.resolve(undefined);
  await Promise.all([closed, read]);
  expect(vault.state.tokens.all()).toHaveLength(1);
});

describe('Transit', () => {
  it('encrypts and decrypts, single and in batches', async () => {
    const { transit } = (await start()).service;
    const ciphertext = await transit.encrypt(Buffer.from('hello'));
    expect((await transit.decrypt(ciphertext)).toString()).toBe('hello');
    const texts = Array.from({ length: 600 }, (_, index) => Buffer.from(`text ${index}`));
    const sealed = await transit.encryptMany(texts);
    const opened = await transit.decryptMany(sealed.map((result) => (result.ok ? result.value : '')));
    expect(opened.map((result) => result.ok && result.value.toString())).toEqual(texts.map(String));
  });

  it.each([200, 400] as const)(
    'lets only the bad item of a batch fail, whatever the status: %i',
    async (status) => {
      const { service, recorder } = await start();
      Object.assign(bench().engine('transit'), { partialFailureStatus: status });
      const good = await service.transit.encrypt(Buffer.from('good'));
      const results = await service.transit.decryptMany([good, 'vault:v1:bad', good]);
      expect(results.map(({ ok }) => ok)).toEqual([true, false, true]);
      expect(recorder.counted('vault_security_events_total', { event: 'decryption_refused' })).toBe(1);
    },
  );

  it('believes no batch of another length', async () => {
    const { service } = await start();
    bench().engine('transit').handle = () => ({ data: { batch_results: [{ plaintext: 'eA==' }] } });
    expect(await failureOf(service.transit.decryptMany(['a', 'b']))).toMatchObject({
      failure: 'malformed',
      reason: 'BATCH_LENGTH',
    });
  });

  it('makes data keys, and rewraps them under the newest version', async () => {
    const { service, admin, root } = await start();
    const { plaintext, wrapped } = await service.transit.createDataKey();
    expect(plaintext).toHaveLength(32);
    await admin.write(vaultPath('transit/keys/stores/rotate'), {}, root);
    const [fresh] = await service.transit.rewrapMany([wrapped]);
    expect(fresh).toMatchObject({ ok: true, value: expect.stringMatching(/^vault:v2:/) });
    expect(await service.transit.decrypt(fresh?.ok ? fresh.value : '')).toEqual(plaintext);
  });

  it('cannot make a key of a mistyped name', async () => {
    const { service } = await start({ config: { transitKey: 'storse' } });
    expect(await failureOf(service.transit.encrypt(Buffer.from('x')))).toMatchObject({ failure: 'denied' });
  });
});

describe('health', () => {
  it.each([
    ['active', 'up'],
    ['standby', 'up'],
    ['performance-standby', 'up'],
    ['dr-secondary', 'down'],
    ['uninitialised', 'down'],
  ] as const)('of a node that is %s is %s', async (role, status) => {
    const { service, vault } = await start();
    vault.state.role = role;
    expect(await service.health()).toMatchObject({ node: role, status });
  });

  it('tells a seal, a hang and nonsense apart', async () => {
    const { service, vault } = await start();
    vault.state.isSealed = true;
    expect(await service.health()).toMatchObject({ node: 'sealed', status: 'down' });
    vault.state.isSealed = false;
    const end = vault.misbehaviour.begin({ misdeed: { kind: 'hang' } });
    expect(await service.health()).toMatchObject({ node: 'unreachable', status: 'down' });
    end();
    await service.health();
    vault.misbehaviour.begin({ misdeed: { kind: 'status', status: 418 } });
    expect(await service.health()).toMatchObject({ node: 'unknown', status: 'down' });
  });
});
