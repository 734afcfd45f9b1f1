import { beforeEach, describe, expect, it } from '@jest/globals';
import { Renewal, type RenewalActions, type Tenure } from '../../shared/services/vault/renewal.js';
import { VaultError } from '../../shared/services/vault/vault-error.js';
import { ManualClock } from '../helpers/manual-clock.js';

const hourMs = 3_600_000;
const sealed = () => new VaultError('lease.renew', 'sealed', { status: 503 });
const rejected = () => new VaultError('lease.renew', 'rejected', { status: 400 });

describe('a renewal', () => {
  let clock: ManualClock;
  let log: string[];
  let renew: () => Promise<Tenure>;
  let replace: () => Promise<Tenure>;
  const tenure = (ttlMs: number): Tenure => ({ ttlMs, renewable: true });

  beforeEach(() => {
    clock = new ManualClock();
    log = [];
    renew = () => Promise.resolve(tenure(hourMs));
    replace = () => Promise.resolve(tenure(hourMs));
  });

  const make = (options: { random?: () => number; dueAt?: 'end' } = {}): Renewal => {
    const note = (what: string) => {
      log.push(`${what}@${Math.round(clock.monotonicMs() / 1000)}`);
    };
    const actions: RenewalActions = {
      renew: () => {
        note('renew');
        return renew();
      },
      replace: (reason) => {
        note(`replace:${reason}`);
        return replace();
      },
      expired: () => {
        note('expired');
      },
    };
    const { random = () => 0.5, ...rest } = options;
    return new Renewal(actions, { clock, random, replaceFloorMs: 30_000, ...rest });
  };
  /** Lets time pass in steps small enough for what is asynchronous to happen in between. */
  const pass = async (ms: number, stepMs = 1000): Promise<void> => {
    for (let left = ms; left > 0; left -= stepMs) {
      clock.advance(Math.min(stepMs, left));
      await flush();
    }
  };

  it('of 768 hours renews once in 700 hours, at two thirds', async () => {
    renew = () => Promise.resolve(tenure(768 * hourMs));
    const renewal = make();
    renewal.begin(tenure(768 * hourMs));
    await pass(700 * hourMs, 60_000);
    expect(log).toEqual([`renew@${512 * 3600}`]);
    renewal.stop();
  });

  it('is spread by jitter around two thirds', async () => {
    for (const [random, seconds] of [
      [0, 2220],
      [1, 2580],
    ] as const) {
      log = [];
      clock = new ManualClock();
      const renewal = make({ random: () => random });
      renewal.begin(tenure(hourMs));
      await pass(hourMs - 1000, 1000);
      renewal.stop();
      expect(log[0]).toBe(`renew@${seconds}`);
    }
  });

  it('survives the clock being set back or forth by an hour, with one early renewal at most', async () => {
    const renewal = make();
    renewal.begin(tenure(3 * hourMs));
    renew = () => Promise.resolve(tenure(3 * hourMs));
    clock.jumpWall(-hourMs);
    await pass(2 * hourMs, 10_000);
    expect(log).toEqual(['renew@7200']);
    clock.jumpWall(hourMs);
    await pass(hourMs + 120_000, 10_000);
    expect(log).toHaveLength(2);
    await pass(hourMs - 300_000, 10_000);
    expect(log).toHaveLength(2);
    expect(renewal.state.name).toBe('held');
    renewal.stop();
  });

  it('replaces when renewing no longer extends', async () => {
    renew = () => Promise.resolve(tenure(20 * 60_000 + 30_000));
    const renewal = make();
    renewal.begin(tenure(hourMs));
    await pass(45 * 60_000);
    expect(log).toEqual(['renew@2400', 'replace:no-longer-extends@2400']);
    renewal.stop();
  });

  it('replaces what cannot be renewed', async () => {
    const renewal = make();
    renewal.begin({ ttlMs: hourMs, renewable: false });
    await pass(45 * 60_000);
    expect(log).toEqual(['replace:not-renewable@2400']);
    renewal.stop();
  });

  it('replaces at once when the lease is unknown: 400', async () => {
    renew = () => Promise.reject(rejected());
    const renewal = make();
    renewal.begin(tenure(hourMs));
    await pass(45 * 60_000);
    expect(log).toEqual(['renew@2400', 'replace:refused@2400']);
    renewal.stop();
  });

  it('backs off while Vault is away, replaces with a fifth left, and says when it is over', async () => {
    renew = () => Promise.reject(sealed());
    replace = () => Promise.reject(sealed());
    const renewal = make();
    renewal.begin(tenure(hourMs));
    await pass(2 * hourMs);
    const renewals = log.filter((line) => line.startsWith('renew'));
    const replacements = log.filter((line) => line.startsWith('replace'));
    expect(renewals.length).toBeLessThan(40);
    expect(replacements[0]).toMatch(/^replace:nearly-over@28[89]\d$/);
    expect(replacements.length).toBeLessThan(160);
    expect(log.filter((line) => line.startsWith('expired'))).toEqual([expect.stringMatching(/@36[0-3]\d$/)]);
    expect(renewal.state.name).toBe('expired');

    replace = () => Promise.resolve(tenure(hourMs));
    await pass(60_000);
    expect(renewal.state.name).toBe('held');
    renewal.stop();
  });

  it('says that it is over when it is, however soon the floor allows the next attempt', async () => {
    renew = () => Promise.reject(sealed());
    const renewal = make();
    renewal.begin(tenure(10_000));
    await pass(9_999, 1);
    expect(log).toEqual(['renew@7', 'renew@8']);
    expect(renewal.state.name).toBe('held');
    await pass(1, 1);
    expect(log.slice(2)).toEqual(['expired@10']);
    expect(renewal.state.name).toBe('expired');
    renewal.stop();
  });

  it('says that it is over at its end although the timer fires a little before', async () => {
    renew = () => Promise.reject(sealed());
    const renewal = make();
    renewal.begin(tenure(10_000));
    clock.jumpWall(1);
    await pass(9_999, 1);
    expect(renewal.state.name).toBe('held');
    await pass(1, 1);
    expect(renewal.state.name).toBe('expired');
    renewal.stop();
  });

  it('is not over while a renewal is under way that may yet prolong it', async () => {
    const answer = Promise.withResolvers<Tenure>();
    renew = () => answer.promise;
    const renewal = make();
    renewal.begin(tenure(10_000));
    await pass(12_000);
    expect(renewal.state.name).toBe('held');
    answer.resolve(tenure(10_000));
    await pass(1, 1);
    expect(log).toEqual(['renew@7']);
    expect(renewal.state.name).toBe('held');
    renewal.stop();
  });

  it('is over as soon as a renewal fails that was under way at its end', async () => {
    const answer = Promise.withResolvers<Tenure>();
    renew = () => answer.promise;
    const renewal = make();
    renewal.begin(tenure(10_000));
    await pass(12_000);
    answer.reject(sealed());
    await pass(1, 1);
    expect(log).toEqual(['renew@7', 'expired@12']);
    renewal.stop();
  });

  it('waits as long as Vault asks to', async () => {
    renew = () =>
      Promise.reject(new VaultError('lease.renew', 'rate_limited', { status: 429, retryAfterMs: 120_000 }));
    const renewal = make();
    renewal.begin(tenure(hourMs));
    await pass(2400_000 + 130_000);
    expect(log).toEqual(['renew@2400', 'renew@2520']);
    renewal.stop();
  });

  it('mints at most once in 30 seconds, however often it is asked', async () => {
    const renewal = make();
    renewal.begin(tenure(hourMs));
    for (let second = 0; second < 120; second += 1) {
      renewal.replaceSoon('refused');
      await pass(1000);
    }
    const times = log.map((line) => Number(line.split('@')[1]));
    expect(times).toEqual([30, 60, 90, 120]);
    renewal.stop();
  });

  it('tells when the next replacement begins, and begins it then without being asked again', async () => {
    const renewal = make();
    renewal.begin(tenure(hourMs));
    await pass(10_000);
    expect(renewal.replaceSoon('refused')).toBe(20_000);
    await pass(5_000);
    expect(renewal.replaceSoon('refused')).toBe(15_000);
    const answer = Promise.withResolvers<Tenure>();
    replace = () => answer.promise;
    await pass(15_000);
    expect(log).toEqual(['replace:refused@30']);
    expect([renewal.replaceSoon('refused'), renewal.replaceSoon('asked')]).toEqual([0, 0]);
    answer.reject(sealed());
    await pass(1, 1);
    const againInMs = renewal.replaceSoon('refused');
    expect(againInMs).toBeGreaterThan(900);
    expect(againInMs).toBeLessThan(4_000);
    renewal.stop();
    expect(renewal.replaceSoon('refused')).toBe(Infinity);
  });

  it('replaces right after a renewal during which that was asked for', async () => {
    const answer = Promise.withResolvers<Tenure>();
    renew = () => answer.promise;
    const renewal = make();
    renewal.begin(tenure(hourMs));
    await pass(2400_000);
    renewal.replaceSoon('asked');
    await pass(1000);
    answer.resolve(tenure(hourMs));
    await pass(1000);
    await pass(1000);
    expect(log).toEqual(['renew@2400', expect.stringMatching(/^replace:asked@240[1-3]$/)]);
    renewal.stop();
  });

  it.each([
    ['asked', 2],
    ['refused', 1],
  ] as const)('while it replaces, hears that it is %s: replaces %i times', async (reason, times) => {
    const answer = Promise.withResolvers<Tenure>();
    replace = () => answer.promise;
    const renewal = make();
    renewal.begin(tenure(hourMs));
    renewal.replaceSoon('refused');
    await pass(31_000);
    renewal.replaceSoon(reason);
    await pass(1000);
    answer.resolve(tenure(hourMs));
    await pass(120_000);
    expect(log.map((line) => line.split('@')[0])).toEqual(
      ['replace:refused', 'replace:asked'].slice(0, times),
    );
    renewal.stop();
  });

  it('acts at most once a second on the shortest of leases', async () => {
    renew = () => Promise.resolve(tenure(100));
    replace = () => Promise.resolve(tenure(100));
    const renewal = make();
    renewal.begin(tenure(100));
    await pass(60_000, 100);
    expect(log.filter((line) => line.startsWith('replace')).length).toBeLessThanOrEqual(2);
    expect(log.filter((line) => line.startsWith('renew')).length).toBeLessThanOrEqual(60);
    renewal.stop();
  });

  it('of something that lives for ever does nothing', async () => {
    const renewal = make();
    renewal.begin(tenure(0));
    await pass(hourMs, 60_000);
    expect(log).toEqual([]);
    expect(renewal.state.name).toBe('permanent');
    expect(clock.pending).toBe(0);
  });

  it('of a static password waits for its change', async () => {
    const renewal = make({ dueAt: 'end' });
    renewal.begin({ ttlMs: hourMs, renewable: false });
    await pass(hourMs + 2000);
    expect(log).toEqual(['replace:not-renewable@3601']);
    renewal.stop();
  });

  it('does nothing once stopped', async () => {
    const renewal = make();
    renewal.begin(tenure(hourMs));
    renewal.stop();
    renewal.replaceSoon('asked');
    await pass(2 * hourMs, 60_000);
    expect(log).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});

async function flush(): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
}
