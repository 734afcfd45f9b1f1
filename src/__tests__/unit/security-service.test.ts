import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Misdeed } from '../../dev/vault/misbehaviour.js';
import { ConflictError, NotFoundError, UnauthenticatedError } from '../../shared/errors/app-error.js';
import { ApiKeyAdministration } from '../../shared/services/api-key-administration.js';
import { SecurityService, SecurityUnavailableError } from '../../shared/services/security-service.js';
import { vaultPath } from '../../shared/services/vault/vault-path.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { useVaultBench, type VaultBench } from '../helpers/vault-bench.js';

describe('the security service', () => {
  const { start } = useVaultBench();
  let bench: VaultBench;
  let clock: ManualClock;
  let keys: ApiKeyAdministration;
  let security: SecurityService;

  beforeEach(async () => {
    clock = new ManualClock();
    bench = await start();
    keys = new ApiKeyAdministration(bench.service.callers, bench.recorder, clock);
    security = new SecurityService({ records: bench.service.callers, log: bench.recorder, clock });
  });

  it('knows who presents a key, and their role', async () => {
    const key = await keys.create({ id: 'ops-berlin', role: 'operator' });
    expect(key).toMatch(/^spk_ops-berlin_[A-Za-z0-9_-]{43}$/);
    await expect(security.authenticate(key)).resolves.toEqual({
      id: 'key:ops-berlin',
      role: 'operator',
      credential: createHash('sha256').update(key.slice('spk_ops-berlin_'.length)).digest('hex'),
    });
  });

  it('keeps only a hash in Vault', async () => {
    const key = await keys.create({ id: 'ops', role: 'viewer' });
    const record = await bench.service.callers.find('ops');
    const text = JSON.stringify(record?.reveal());
    const secret = key.slice('spk_ops_'.length);
    expect(text).not.toContain(secret);
    expect(text).toContain(createHash('sha256').update(secret).digest('hex'));
  });

  it.each([
    ['nothing', ''],
    ['another form', 'hunter2'],
    ['a short secret', 'spk_ops_short'],
    ['an unknown caller', `spk_nobody_${'x'.repeat(43)}`],
    ['a wrong secret', `spk_ops_${'x'.repeat(43)}`],
    ['a way out of the folder', `spk_../ops_${'x'.repeat(43)}`],
  ])('refuses %s', async (_, token) => {
    await keys.create({ id: 'ops', role: 'admin' });
    await expect(security.authenticate(token)).rejects.toThrow(UnauthenticatedError);
  });

  it('asks Vault once for a thousand calls, and again after 30 seconds', async () => {
    const key = await keys.create({ id: 'ops', role: 'admin' });
    bench.vault.requests.length = 0;
    await Promise.all(Array.from({ length: 1000 }, () => security.authenticate(key)));
    expect(bench.seen('secret/data/api-keys')).toBe(1);
    clock.advance(29_999);
    await security.authenticate(key);
    expect(bench.seen('secret/data/api-keys')).toBe(1);
    clock.advance(1);
    await security.authenticate(key);
    expect(bench.seen('secret/data/api-keys')).toBe(2);
  });

  it('knows a second key at once, and takes both while clients change over', async () => {
    const old = await keys.create({ id: 'ops', role: 'admin' });
    await security.authenticate(old);
    clock.advance(1000);
    const fresh = await keys.create({ id: 'ops', role: 'admin' });
    await expect(security.authenticate(fresh)).resolves.toMatchObject({ id: 'key:ops' });
    await expect(security.authenticate(old)).resolves.toMatchObject({ id: 'key:ops' });
  });

  it('does not ask Vault about every wrong secret', async () => {
    await keys.create({ id: 'ops', role: 'admin' });
    bench.vault.requests.length = 0;
    for (let guess = 0; guess < 100; guess += 1) {
      const token = `spk_ops_${String(guess).padStart(43, 'x')}`;
      await expect(security.authenticate(token)).rejects.toThrow(UnauthenticatedError);
    }
    expect(bench.seen('secret/data/api-keys')).toBe(1);
  });

  it('refuses an expired key at once, even one that was verified before', async () => {
    const expiresAt = new Date(clock.now().getTime() + 10_000);
    const key = await keys.create({ id: 'ops', role: 'admin', expiresAt });
    await security.authenticate(key);
    clock.advance(10_000);
    await expect(security.authenticate(key)).rejects.toThrow(UnauthenticatedError);
  });

  it('refuses a revoked key within 30 seconds', async () => {
    const key = await keys.create({ id: 'ops', role: 'admin' });
    await security.authenticate(key);
    await keys.revoke('ops');
    clock.advance(30_000);
    await expect(security.authenticate(key)).rejects.toThrow(UnauthenticatedError);
  });

  it('refuses everybody whose record was removed', async () => {
    const key = await keys.create({ id: 'ops', role: 'admin' });
    await security.authenticate(key);
    await bench.service.callers.remove('ops');
    clock.advance(30_000);
    await expect(security.authenticate(key)).rejects.toThrow(UnauthenticatedError);
  });

  it('recalls who was verified in the last 30 seconds, asking nobody and for no longer', async () => {
    const key = await keys.create({ id: 'ops', role: 'admin' });
    expect(security.recall(key)).toBeUndefined();
    await security.authenticate(key);
    bench.vault.requests.length = 0;
    clock.advance(29_999);
    expect(security.recall(key)).toMatchObject({ id: 'key:ops', role: 'admin' });
    clock.advance(1);
    expect(security.recall(key)).toBeUndefined();
    expect(bench.seen()).toBe(0);
  });

  it('recalls nobody by another secret, a malformed token or a key that has expired since', async () => {
    const expiresAt = new Date(clock.now().getTime() + 10_000);
    const key = await keys.create({ id: 'ops', role: 'admin', expiresAt });
    await security.authenticate(key);
    expect(security.recall(key)).toBeDefined();
    expect(security.recall(`spk_ops_${'x'.repeat(43)}`)).toBeUndefined();
    expect(security.recall('hunter2')).toBeUndefined();
    clock.advance(10_000);
    expect(security.recall(key)).toBeUndefined();
  });

  it.each<[string, Misdeed | 'sealed']>([
    ['sealed', 'sealed'],
    ['failing', { kind: 'status', status: 500 }],
    ['denying', { kind: 'status', status: 403 }],
    ['rate-limiting', { kind: 'status', status: 429 }],
    ['hanging', { kind: 'hang' }],
    ['resetting', { kind: 'reset' }],
    ['talking nonsense', { kind: 'malformed' }],
    ['redirecting', { kind: 'redirect', location: 'http://127.0.0.1:9/' }],
  ])('lets nobody in while Vault is %s, but who was verified in the last 30 seconds', async (_, misdeed) => {
    const known = await keys.create({ id: 'known', role: 'admin' });
    const other = await keys.create({ id: 'other', role: 'admin' });
    await security.authenticate(known);
    if (misdeed === 'sealed') bench.vault.state.isSealed = true;
    else bench.vault.misbehaviour.begin({ pathPrefix: 'secret/', misdeed });
    await expect(security.authenticate(known)).resolves.toMatchObject({ id: 'key:known' });
    const unknown = [other, `spk_known_${'x'.repeat(43)}`.replace('known', 'third')];
    for (let round = 0; round < 3; round += 1) {
      for (const token of unknown) {
        const error: unknown = await security.authenticate(token).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(SecurityUnavailableError);
        expect(error).toMatchObject({ kind: 'dependency_unavailable', code: 'security_unavailable' });
      }
    }
    clock.advance(30_000);
    await expect(security.authenticate(known)).rejects.toThrow(SecurityUnavailableError);
  });

  it.each<[string, Record<string, unknown>]>([
    ['no role', { id: 'ops', keys: [] }],
    ['an unknown role', { id: 'ops', role: 'root', keys: [] }],
    ['another id', { id: 'other', role: 'admin', keys: [] }],
    ['no keys', { id: 'ops', role: 'admin' }],
    [
      'a key without a hash',
      { id: 'ops', role: 'admin', keys: [{ createdAt: '2030-01-01', disabled: false }] },
    ],
    [
      'a key whose state is unclear',
      { id: 'ops', role: 'admin', keys: [{ hash: 'a'.repeat(64), createdAt: '2030-01-01', disabled: 'no' }] },
    ],
    [
      'a key whose end is unclear',
      {
        id: 'ops',
        role: 'admin',
        keys: [{ hash: 'a'.repeat(64), createdAt: '2030-01-01', disabled: false, expiresAt: 'never' }],
      },
    ],
    ['a key that is none', { id: 'ops', role: 'admin', keys: ['x'] }],
  ])('lets nobody in on a record with %s', async (_, record) => {
    await bench.putSecret('api-keys/ops', record);
    await expect(security.authenticate(`spk_ops_${'x'.repeat(43)}`)).rejects.toThrow(
      SecurityUnavailableError,
    );
  });

  describe('key administration', () => {
    it('allows two active keys, and a third only after a revocation', async () => {
      await keys.create({ id: 'ops', role: 'admin' });
      await keys.create({ id: 'ops', role: 'admin' });
      await expect(keys.create({ id: 'ops', role: 'admin' })).rejects.toMatchObject({
        code: 'too_many_keys',
      });
      const [first] = await keys.list();
      await keys.revoke('ops', first?.state === 'active' ? first.fingerprint : undefined);
      await keys.create({ id: 'ops', role: 'admin' });
      expect((await keys.list()).map(({ state }) => state)).toEqual(['active', 'active']);
    });

    it('lists keys without anything to log in with', async () => {
      expect(await keys.list()).toEqual([]);
      const expiresAt = new Date(clock.now().getTime() + 1000);
      await keys.create({ id: 'b', role: 'viewer', expiresAt });
      await keys.create({ id: 'a', role: 'admin' });
      await keys.revoke('a');
      clock.advance(1000);
      expect(await keys.list()).toEqual([
        expect.objectContaining({ id: 'a', role: 'admin', state: 'disabled' }),
        {
          id: 'b',
          role: 'viewer',
          state: 'expired',
          fingerprint: expect.stringMatching(/^[0-9a-f]{8}$/),
          createdAt: '2030-01-01T00:00:00.000Z',
          expiresAt: '2030-01-01T00:00:01.000Z',
        },
      ]);
    });

    it('revokes nothing that is not there', async () => {
      await expect(keys.revoke('nobody')).rejects.toThrow(NotFoundError);
      await keys.create({ id: 'ops', role: 'admin' });
      await expect(keys.revoke('ops', '00000000')).rejects.toThrow(NotFoundError);
    });

    it('gives no second role to a caller, and none to a malformed id', async () => {
      await keys.create({ id: 'ops', role: 'viewer' });
      await expect(keys.create({ id: 'ops', role: 'admin' })).rejects.toMatchObject({
        code: 'role_mismatch',
      });
      await expect(keys.create({ id: '../ops', role: 'admin' })).rejects.toThrow(RangeError);
    });

    it('lets one of two changes at the same time win', async () => {
      const results = await Promise.allSettled([
        keys.create({ id: 'ops', role: 'admin' }),
        keys.create({ id: 'ops', role: 'admin' }),
      ]);
      const failures = results.filter((result) => result.status === 'rejected');
      expect(failures).toHaveLength(1);
      expect(failures[0]?.reason).toBeInstanceOf(ConflictError);
      expect(failures[0]?.reason).toMatchObject({ code: 'concurrent_change' });
    });

    it('creates a key where a record was deleted', async () => {
      await keys.create({ id: 'ops', role: 'viewer' });
      await bench.admin.delete(vaultPath('secret/data/api-keys/ops'), bench.root);
      expect(await keys.list()).toEqual([]);
      await keys.create({ id: 'ops', role: 'admin' });
      expect(await keys.list()).toMatchObject([{ id: 'ops', role: 'admin', state: 'active' }]);
    });

    it('lists other keys beside folders and records that make no sense', async () => {
      await bench.putSecret('api-keys/broken', { role: 'x' });
      await bench.putSecret('api-keys/folder/x', { a: 'b' });
      await keys.create({ id: 'ops', role: 'admin' });
      expect(await keys.list()).toEqual([
        { id: 'broken', state: 'malformed' },
        expect.objectContaining({ id: 'ops', state: 'active' }),
      ]);
    });

    it('does not touch a record that makes no sense', async () => {
      await bench.admin.write(vaultPath('secret/data/api-keys/ops'), { data: { role: 'x' } }, bench.root);
      await expect(keys.create({ id: 'ops', role: 'admin' })).rejects.toMatchObject({
        code: 'malformed_record',
      });
    });
  });
});
