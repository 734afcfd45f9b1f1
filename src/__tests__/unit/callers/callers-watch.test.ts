import { beforeEach, describe, expect, it } from '@jest/globals';
import type { MisbehaviourRule } from '../../../dev/vault/misbehaviour.js';
import { ManualClock } from '../../helpers/manual-clock.js';
import { useVaultBench, type VaultBench } from '../../helpers/vault-bench.js';

const { start } = useVaultBench();
let bench: VaultBench;
let clock: ManualClock;

beforeEach(async () => {
  clock = new ManualClock();
  bench = await start({ clock });
  await bench.service.watchCallers();
  expect(bench.service.callersState).toEqual({ isReadable: true });
  bench.vault.requests.length = 0;
});

/** As documented: what changes in Vault is seen within so long, without a single caller. */
const seenWithinMs = 10_000;

const folder = 'secret/data/api-keys';
const status = (code: number, pathPrefix?: string): MisbehaviourRule => ({
  ...(pathPrefix !== undefined && { pathPrefix }),
  misdeed: { kind: 'status', status: code },
});

describe.each<[string, string, readonly MisbehaviourRule[]]>([
  ['is a standby that does not forward', 'server_error', [status(473, 'sys/health'), status(500, folder)]],
  ['is not initialised', 'unreachable', [status(501)]],
  ['denies us the records of callers', 'denied', [status(403, folder)]],
  [
    'has nothing mounted there',
    'not_found',
    [{ pathPrefix: folder, misdeed: { kind: 'status', status: 404, errors: ['no handler for route'] } }],
  ],
  ['fails', 'server_error', [status(500, folder)]],
  ['asks to be spared', 'rate_limited', [status(429, folder)]],
  [
    'redirects',
    'redirected',
    [{ pathPrefix: folder, misdeed: { kind: 'redirect', location: 'http://127.0.0.1:9' } }],
  ],
  ['talks nonsense', 'malformed', [{ pathPrefix: folder, misdeed: { kind: 'malformed' } }]],
  ['hangs', 'timeout', [{ pathPrefix: folder, misdeed: { kind: 'hang' } }]],
  ['cuts every connection', 'unreachable', [{ misdeed: { kind: 'reset' } }]],
])('a Vault that %s', (_, reason, rules) => {
  it('is found out without any caller, and so is its end', async () => {
    for (const rule of rules) bench.vault.misbehaviour.begin(rule);
    await bench.pass(clock, seenWithinMs);
    expect(bench.service.callersState).toEqual({ isReadable: false, reason });
    bench.vault.misbehaviour.end();
    await bench.pass(clock, seenWithinMs);
    expect(bench.service.callersState).toEqual({ isReadable: true });
  });
});

describe('the watch over records of callers', () => {
  it('sees that Vault is sealed, and tells it once, with a measurement that stays', async () => {
    bench.vault.state.isSealed = true;
    await bench.pass(clock, seenWithinMs);
    expect(bench.service.callersState).toEqual({ isReadable: false, reason: 'sealed' });
    expect((await bench.service.health()).status).toBe('down');
    await bench.pass(clock, 60_000);
    const told = bench.recorder.lines.filter(
      ({ message }) => message === 'Records of callers cannot be read',
    );
    expect(told).toHaveLength(1);
    expect(bench.recorder.counts.findLast(({ name }) => name === 'vault_callers_readable')?.labels).toEqual({
      value: '0',
    });
    bench.vault.state.isSealed = false;
    await bench.pass(clock, seenWithinMs);
    expect(bench.service.callersState).toEqual({ isReadable: true });
    expect((await bench.service.health()).status).toBe('up');
  });

  it('opens the way again after a long outage: the breakers in front of it wait for no longer', async () => {
    bench.vault.state.isSealed = true;
    for (let second = 0; second < 120; second += 1) {
      await bench.service.callers.find('ops').catch(() => undefined);
      await bench.pass(clock, 1_000);
    }
    expect(bench.breakers.get('vault-security').state).not.toBe('closed');
    bench.vault.state.isSealed = false;
    await bench.pass(clock, 3_000);
    await expect(bench.service.callers.find('ops')).resolves.toBeUndefined();
  });

  it('sees a refused login, once the token is gone that it was for', async () => {
    bench.vault.misbehaviour.begin(status(400, 'auth/approle/login'));
    await bench.pass(clock, seenWithinMs);
    expect(bench.service.callersState).toEqual({ isReadable: true });
    await bench.revokeTokens();
    await bench.pass(clock, seenWithinMs);
    expect(bench.service.callersState).toEqual({ isReadable: false, reason: 'rejected' });
    expect(await bench.service.health()).toMatchObject({
      status: 'down',
      callers: 'rejected',
      isSignedIn: false,
    });
    bench.vault.misbehaviour.end();
    // refused logins are repeated after a minute at the latest
    await bench.pass(clock, 60_000 + seenWithinMs);
    expect(bench.service.callersState).toEqual({ isReadable: true });
  });

  it('gets over a revoked token by itself, without a word', async () => {
    await bench.revokeTokens();
    await bench.pass(clock, seenWithinMs);
    expect(bench.service.callersState).toEqual({ isReadable: true });
    expect(bench.recorder.counted('vault_logins_total', { outcome: 'done' })).toBe(2);
  });

  it('is not alarmed by one look that fails', async () => {
    bench.vault.misbehaviour.begin({ ...status(500, folder), times: 1 });
    await bench.pass(clock, seenWithinMs);
    expect(bench.service.callersState).toEqual({ isReadable: true });
    expect(bench.recorder.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('needs no word of the node itself, which a gateway may keep back', async () => {
    bench.vault.misbehaviour.begin(status(404, 'sys/health'));
    const end = bench.vault.misbehaviour.begin(status(500, folder));
    await bench.pass(clock, seenWithinMs);
    expect(bench.service.callersState).toEqual({ isReadable: false, reason: 'server_error' });
    end();
    await bench.pass(clock, seenWithinMs);
    expect(bench.service.callersState).toEqual({ isReadable: true });
  });

  it('takes a standby that forwards for what it is: as good as any', async () => {
    bench.vault.misbehaviour.begin(status(429, 'sys/health'));
    await bench.pass(clock, 60_000);
    expect(bench.service.callersState).toEqual({ isReadable: true });
  });

  it('costs Vault one read in three seconds, and leaves nothing running when it ends', async () => {
    await bench.pass(clock, 60_000);
    expect(bench.seen()).toBe(20);
    await bench.service.close();
    bench.vault.requests.length = 0;
    await bench.pass(clock, 60_000);
    expect(bench.seen()).toBe(0);
  });

  it('says so from the start if Vault is away at the start', async () => {
    await bench.close();
    const away = await start({ clock });
    away.vault.state.isSealed = true;
    await away.service.watchCallers();
    expect(away.service.callersState).toEqual({ isReadable: false, reason: 'sealed' });
  });
});
