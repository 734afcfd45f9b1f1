import { describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../dev/wait-until.js';
import type { CredentialConsumer } from '../../shared/services/vault/credential-rotation.js';
import type { DatabaseCredentials } from '../../shared/services/vault/database-credentials.js';
import { vaultPath } from '../../shared/services/vault/vault-path.js';
import { failureOf } from '../helpers/failure-of.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { useVaultBench, type VaultBenchOptions } from '../helpers/vault-bench.js';

const soon = { timeoutMs: 5000, intervalMs: 5 };
const hourMs = 3_600_000;

const { start, bench } = useVaultBench();

/** A consumer that writes down what it is told. */
class Consumer implements CredentialConsumer {
  readonly events: string[] = [];
  readonly published: DatabaseCredentials[] = [];
  proveError: Error | undefined;
  drained: Promise<void> = Promise.resolve();

  prove({ generation }: DatabaseCredentials): Promise<void> {
    this.events.push(`prove ${generation}`);
    return this.proveError ? Promise.reject(this.proveError) : Promise.resolve();
  }

  publish(credentials: DatabaseCredentials): void {
    this.events.push(`publish ${credentials.generation}`);
    this.published.push(credentials);
  }

  async drain({ generation }: DatabaseCredentials): Promise<void> {
    this.events.push(`drain ${generation}`);
    await this.drained;
    this.events.push(`drained ${generation}`);
  }

  withdraw({ generation }: DatabaseCredentials): void {
    this.events.push(`withdraw ${generation}`);
  }
}

describe('database credentials', () => {
  /** Credentials in the environment. */
  const spare = {
    config: {
      environmentFallback: { 'database/creds/app': { username: 'PGUSER', password: 'PGPASSWORD' } },
    },
    env: { PGUSER: 'spare', PGPASSWORD: 'spare-password' },
  };
  const supply = async (options: VaultBenchOptions = {}) => {
    await start(options);
    const consumer = new Consumer();
    const rotation = bench().service.supplyDatabaseCredentials({ kind: 'dynamic', name: 'app' }, consumer);
    return { consumer, rotation, leases: bench().vault.state.leases };
  };

  /** Of a user whose password Vault changes every hour. */
  const supplyStatic = async (clock: ManualClock) => {
    await start({ clock, tokenTtl: '768h' });
    const terms = { db_name: 'pg', username: 'fixed', rotation_period: '1h' };
    await bench().admin.write(vaultPath('database/static-roles/app'), terms, bench().root);
    const consumer = new Consumer();
    const rotation = bench().service.supplyDatabaseCredentials({ kind: 'static', name: 'app' }, consumer);
    return { consumer, rotation };
  };

  it('are minted, proven and published; the old ones drained and then revoked, in this order', async () => {
    const clock = new ManualClock();
    const { consumer, rotation, leases } = await supply({ clock });
    await rotation.start();
    const [first] = leases.all();
    const release = Promise.withResolvers<undefined>();
    consumer.drained = release.promise.then(() => undefined);
    await bench().pass(clock, 30_000);
    rotation.reportRefused(consumer.published[0] ?? fail('nothing published'));
    await bench().pass(clock, 1);
    await waitUntil('the second generation', () => consumer.published.length === 2, soon);
    expect(consumer.events).toEqual(['prove 1', 'publish 1', 'prove 2', 'publish 2', 'drain 1']);
    expect(leases.all().map(({ id }) => id)).toContain(first?.id);
    expect(consumer.published[1]?.username).not.toBe(consumer.published[0]?.username);
    release.resolve(undefined);
    await waitUntil('the old lease to go', () => leases.all().length === 1, soon);
    expect(consumer.events.at(-1)).toBe('drained 1');
    expect(leases.all()[0]?.id).not.toBe(first?.id);
    expect(bench().statements.at(-1)).toBe(`DROP ROLE IF EXISTS "${consumer.published[0]?.username ?? ''}"`);
  });

  it('that cannot be proven are revoked, and the old ones stay', async () => {
    const clock = new ManualClock();
    const { consumer, rotation, leases } = await supply({ clock });
    await rotation.start();
    consumer.proveError = new Error('28P01');
    await bench().pass(clock, 30_000);
    rotation.rotateSoon();
    await bench().pass(clock, 1);
    await waitUntil('the attempt', () => consumer.events.includes('prove 2'), soon);
    await waitUntil('its lease to go', () => leases.all().length === 1, soon);
    expect(rotation.current?.generation).toBe(1);
    consumer.proveError = undefined;
    await bench().pass(clock, 35_000);
    await waitUntil('the next generation', () => rotation.current?.generation === 3, soon);
  });

  it('are renewed at two thirds of their lease', async () => {
    const clock = new ManualClock();
    const { rotation } = await supply({ clock, tokenTtl: '768h' });
    await rotation.start();
    await bench().pass(clock, 41 * 60_000);
    await waitUntil('the renewal', () => bench().seen('sys/leases/renew') === 1, soon);
    await waitUntil(
      'its end',
      () => bench().recorder.counted('vault_renewals_total', { outcome: 'done' }) === 1,
      soon,
    );
    expect(rotation.renewalState).toMatchObject({ name: 'held' });
    const told = bench().recorder.counts.filter(
      ({ name }) => name === 'vault_lease_expires_timestamp_seconds',
    );
    const startedS = Date.UTC(2030, 0, 1) / 1000;
    expect(told.map(({ labels }) => Number(labels['value']) - startedS)).toEqual([3600, 2400 + 3600]);
    expect(rotation.current?.generation).toBe(1);
  });

  it('are replaced when their lease is unknown', async () => {
    const clock = new ManualClock();
    const { rotation, leases } = await supply({ clock, tokenTtl: '768h' });
    await rotation.start();
    await leases.revoke(leases.all()[0]?.id ?? '');
    await bench().pass(clock, 41 * 60_000);
    await waitUntil('the second generation', () => rotation.current?.generation === 2, soon);
  });

  it('are replaced when their lease was cut short', async () => {
    const clock = new ManualClock();
    const { rotation, leases } = await supply({ clock, tokenTtl: '768h' });
    await rotation.start();
    leases.cutShortMs = 5 * 60_000;
    await bench().pass(clock, 41 * 60_000);
    await waitUntil('the second generation', () => rotation.current?.generation === 2, soon);
  });

  it('are minted again after the token was revoked, since their lease went with it', async () => {
    const clock = new ManualClock();
    const { rotation, consumer } = await supply({ clock });
    await rotation.start();
    await bench().pass(clock, 30_000);
    await bench().revokeTokens();
    expect(await failureOf(bench().service.readSecret('app/none'))).toMatchObject({ failure: 'not_found' });
    await bench().pass(clock, 1);
    await waitUntil('the second generation', () => rotation.current?.generation === 2, soon);
    expect(consumer.events).not.toContain('withdraw 1');
    expect(bench().seen('auth/approle/login')).toBe(2);
  });

  it('are minted once after the token was revoked, also if that comes to light when they are minted', async () => {
    const clock = new ManualClock();
    const { rotation, consumer } = await supply({ clock });
    await rotation.start();
    await bench().pass(clock, 30_000);
    await bench().revokeTokens();
    rotation.reportRefused(consumer.published[0] ?? fail('nothing published'));
    await bench().pass(clock, 1);
    await waitUntil('the second generation', () => rotation.current?.generation === 2, soon);
    await bench().pass(clock, 40_000);
    expect(rotation.current?.generation).toBe(2);
    expect(bench().seen('auth/approle/login')).toBe(2);
    expect(bench().vault.state.leases.all()).toHaveLength(1);
  });

  it('are minted again if the token was replaced while they were proven', async () => {
    const clock = new ManualClock();
    const { rotation, consumer } = await supply({ clock });
    await rotation.start();
    await bench().pass(clock, 30_000);
    const [isProving, proof] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    consumer.prove = async () => {
      isProving.resolve(undefined);
      await proof.promise;
    };
    rotation.rotateSoon();
    await bench().pass(clock, 1);
    await isProving.promise;
    await bench().revokeTokens();
    expect(await failureOf(bench().service.readSecret('app/none'))).toMatchObject({ failure: 'not_found' });
    proof.resolve(undefined);
    await waitUntil('the second generation', () => rotation.current?.generation === 2, soon);
    await bench().pass(clock, 30_000);
    await waitUntil('the third generation', () => rotation.current?.generation === 3, soon);
    expect(bench().vault.state.leases.all()).toHaveLength(1);
  });

  it('that are refused are replaced when the last mint is long enough ago, and this is reported once', async () => {
    const clock = new ManualClock();
    const { rotation, consumer } = await supply({ clock });
    await rotation.start();
    const first = consumer.published[0] ?? fail('nothing published');
    await bench().pass(clock, 3_000);
    expect(rotation.reportRefused(first)).toBe(27_000);
    for (let count = 0; count < 170; count += 1) rotation.reportRefused(first);
    const reports = () =>
      bench().recorder.lines.filter(({ message }) => message === 'The database refuses our credentials');
    expect(reports()).toHaveLength(1);
    expect(bench().recorder.counted('vault_security_events_total', { event: 'credentials_refused' })).toBe(1);
    await bench().pass(clock, 26_000);
    expect(bench().seen('database/creds/app')).toBe(1);
    await bench().pass(clock, 1_001);
    await waitUntil('the second generation', () => rotation.current?.generation === 2, soon);
    expect(bench().seen('database/creds/app')).toBe(2);
    expect(rotation.reportRefused(first)).toBe(0);
    rotation.reportRefused(consumer.published[1] ?? fail('nothing published'));
    expect(reports()).toHaveLength(2);
  });

  it('live on while Vault is sealed, are withdrawn when their lease is over, and come back with Vault', async () => {
    const clock = new ManualClock();
    const { rotation, consumer } = await supply({ clock, tokenTtl: '768h' });
    await rotation.start();
    bench().vault.state.isSealed = true;
    const pass = (ms: number) => bench().pass(clock, ms);
    await pass(55 * 60_000);
    expect(rotation.current?.generation).toBe(1);
    await pass(7 * 60_000);
    expect(rotation.current).toBeUndefined();
    expect(consumer.events.at(-1)).toBe('withdraw 1');
    expect((await bench().service.health()).leases[0]).toMatchObject({ state: 'expired' });
    bench().vault.state.isSealed = false;
    await pass(3 * 60_000);
    await waitUntil('new credentials', () => rotation.current !== undefined, soon);
  });

  it('come from the environment only if Vault is away at the start, and only until it is back', async () => {
    const clock = new ManualClock();
    const { rotation, consumer } = await supply({ clock, ...spare });
    bench().vault.state.isSealed = true;
    await rotation.start();
    expect(rotation.current).toMatchObject({ username: 'spare', source: 'env', password: 'spare-password' });
    bench().vault.state.isSealed = false;
    await bench().pass(clock, 5000);
    await waitUntil('credentials from Vault', () => rotation.current?.source === 'vault', soon);
    expect(consumer.events).toEqual(['prove 1', 'publish 1', 'prove 2', 'publish 2', 'drain 1', 'drained 1']);
  });

  it('do not come from the environment when Vault denies them', async () => {
    const { rotation } = await supply(spare);
    bench().vault.misbehaviour.begin({ pathPrefix: 'database/', misdeed: { kind: 'status', status: 403 } });
    expect(await failureOf(rotation.start())).toMatchObject({ failure: 'denied' });
    expect(rotation.current).toBeUndefined();
  });

  it('that came from the environment are withdrawn when Vault is back and denies them', async () => {
    const clock = new ManualClock();
    const { rotation, consumer } = await supply({ clock, ...spare });
    bench().vault.state.isSealed = true;
    await rotation.start();
    bench().vault.state.isSealed = false;
    const misdeed = { kind: 'status', status: 403 } as const;
    const end = bench().vault.misbehaviour.begin({ pathPrefix: 'database/', misdeed });
    await bench().pass(clock, 5000);
    expect(rotation.current).toBeUndefined();
    expect(consumer.events).toEqual(['prove 1', 'publish 1', 'withdraw 1']);
    end();
    await bench().pass(clock, 70_000);
    await waitUntil('credentials from Vault', () => rotation.current?.source === 'vault', soon);
  });

  it.each(['start', 'rotation'])('that are being minted at the end are given back: %s', async (when) => {
    const clock = new ManualClock();
    const { rotation, consumer, leases } = await supply({ clock });
    const proof = Promise.withResolvers<undefined>();
    const isHeld = Promise.withResolvers<undefined>();
    if (when === 'rotation') await rotation.start();
    consumer.prove = async () => {
      isHeld.resolve(undefined);
      await proof.promise;
    };
    const started = when === 'start' ? failureOf(rotation.start()) : undefined;
    if (when === 'rotation') {
      rotation.rotateSoon();
      await bench().pass(clock, 31_000);
    }
    await isHeld.promise;
    const closed = bench().service.close();
    proof.resolve(undefined);
    await closed;
    await started;
    expect(leases.all()).toEqual([]);
    expect(bench().seen('sys/leases/revoke')).toBe(when === 'start' ? 1 : 2);
    expect(rotation.current).toBeUndefined();
  });

  it('are not replaced because of reports about an older generation', async () => {
    const clock = new ManualClock();
    const { rotation, consumer } = await supply({ clock });
    await rotation.start();
    await bench().pass(clock, 30_000);
    rotation.rotateSoon();
    await bench().pass(clock, 1);
    await waitUntil('the second generation', () => rotation.current?.generation === 2, soon);
    await bench().pass(clock, 31_000);
    rotation.reportRefused(consumer.published[0] ?? fail('nothing published'));
    await bench().pass(clock, 1000);
    expect(bench().seen('database/creds/app')).toBe(2);
  });

  it('of a hundred rotations lose nothing and leave one lease', async () => {
    const clock = new ManualClock();
    const { rotation, leases, consumer } = await supply({ clock, tokenTtl: '768h' });
    await rotation.start();
    for (let turn = 2; turn <= 101; turn += 1) {
      await bench().pass(clock, 30_000);
      rotation.rotateSoon();
      await bench().pass(clock, 1);
      await waitUntil(`generation ${turn}`, () => rotation.current?.generation === turn, soon);
    }
    await waitUntil('the old leases to go', () => leases.all().length === 1, soon);
    expect(consumer.published).toHaveLength(101);
    expect(consumer.events).not.toContainEqual(expect.stringMatching(/^withdraw/));
  });

  it('are left to expire when they cannot be drained', async () => {
    const clock = new ManualClock();
    const { rotation, leases, consumer } = await supply({ clock });
    await rotation.start();
    consumer.drained = Promise.reject(new Error('a long transaction'));
    consumer.drained.catch(() => undefined);
    await bench().pass(clock, 30_000);
    rotation.rotateSoon();
    await bench().pass(clock, 1);
    const said = 'Old database credentials could not be drained';
    await waitUntil('the report', () => bench().recorder.lines.some(({ message }) => message === said), soon);
    expect(leases.all()).toHaveLength(2);
    consumer.drained = Promise.resolve();
  });

  it('of a static role have no lease and are read again when their password changes', async () => {
    const clock = new ManualClock();
    const { consumer, rotation } = await supplyStatic(clock);
    await rotation.start();
    await bench().pass(clock, 59 * 60_000);
    expect(bench().seen('database/static-creds')).toBe(1);
    await bench().pass(clock, 2 * 60_000);
    await waitUntil('the second generation', () => rotation.current?.generation === 2, soon);
    expect(consumer.published.map(({ username }) => username)).toEqual(['fixed', 'fixed']);
    expect(consumer.published[0]?.password).not.toBe(consumer.published[1]?.password);
    expect(bench().seen('sys/leases')).toBe(0);
  });

  it('of a static role are not published again while Vault is late to change the password', async () => {
    const clock = new ManualClock();
    const { consumer, rotation } = await supplyStatic(clock);
    Object.assign(bench().engine('database'), { staticLagMs: 8000 });
    await rotation.start();
    await bench().pass(clock, hourMs + 5000);
    expect(bench().seen('database/static-creds')).toBeGreaterThan(2);
    expect(consumer.events).toEqual(['prove 1', 'publish 1']);
    await bench().pass(clock, 6000);
    await waitUntil('the second generation', () => rotation.current?.generation === 2, soon);
    expect(consumer.published[0]?.password).not.toBe(consumer.published[1]?.password);
  });
});

function fail(reason: string): never {
  throw new Error(reason);
}
