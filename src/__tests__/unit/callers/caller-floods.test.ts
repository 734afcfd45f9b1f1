import { createHash, randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { UnauthenticatedError } from '../../../shared/errors/app-error.js';
import type { Breaker } from '../../../shared/resilience/breaker.js';
import {
  createSecurityBreaker,
  GuardedAuthenticator,
} from '../../../shared/services/guarded-authenticator.js';
import { ApiKeyAdministration } from '../../../shared/services/api-key-administration.js';
import { SecurityService } from '../../../shared/services/security-service.js';
import { failureOf } from '../../helpers/failure-of.js';
import { ManualClock } from '../../helpers/manual-clock.js';
import { useVaultBench, type VaultBench } from '../../helpers/vault-bench.js';

/** Of one caller that was never seen. */
const madeUp = (id: string): string => `spk_${id}_${randomBytes(32).toString('base64url')}`;

const { start } = useVaultBench();
let bench: VaultBench;
let clock: ManualClock;
let breaker: Breaker;
let security: SecurityService;
let guarded: GuardedAuthenticator;

beforeEach(async () => {
  clock = new ManualClock();
  bench = await start();
  breaker = createSecurityBreaker('security', { clock });
  security = new SecurityService({
    records: bench.service.callers,
    log: bench.recorder,
    metrics: bench.recorder,
    clock,
    guard: (lookUp) => breaker.run(lookUp),
  });
  guarded = new GuardedAuthenticator({
    authenticator: security,
    breaker,
    recall: (token) => security.recall(token),
    asksThroughBreaker: true,
  });
});

/** Callers that were let in once, and have to be looked up again. */
async function knownCallers(count: number): Promise<string[]> {
  const tokens = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const secret = randomBytes(32).toString('base64url');
      const hash = createHash('sha256').update(secret).digest('hex');
      const keys = [{ hash, createdAt: '2030-01-01', disabled: false }];
      await bench.putSecret(`api-keys/till-${index}`, { id: `till-${index}`, role: 'viewer', keys });
      return `spk_till-${index}_${secret}`;
    }),
  );
  for (const token of tokens) await guarded.authenticate(token);
  clock.advance(30_000);
  bench.vault.requests.length = 0;
  return tokens;
}

const readsOf = (idPrefix: string): number => bench.seen(`secret/data/api-keys/${idPrefix}`);

describe('a flood of made-up ids', () => {
  it('costs Vault a bounded number of reads, and known callers whose time is over get through', async () => {
    const tokens = await knownCallers(50);
    let next = 0;
    const flood = Array.from({ length: 128 }, async () => {
      while (next < 500) await failureOf(guarded.authenticate(madeUp(`made-up-${(next += 1)}`)));
    });
    const known = await Promise.all(tokens.map((token) => guarded.authenticate(token)));
    await Promise.all(flood);
    expect(known.map(({ id }) => id)).toEqual(tokens.map((_, index) => `key:till-${index}`));
    expect(readsOf('till-')).toBe(50);
    expect(readsOf('made-up-')).toBeLessThanOrEqual(100);
    expect(breaker.state.name).toBe('closed');
    expect(bench.recorder.counted('vault_secret_reads_total', { source: 'vault' })).toBe(
      100 + readsOf('made-up-'),
    );
    const looked = bench.recorder.counted('caller_look_ups_total', { reason: 'unknown', outcome: 'absent' });
    const refused = bench.recorder.counted('caller_look_ups_total', {
      reason: 'unknown',
      outcome: 'refused',
    });
    expect(looked).toBe(readsOf('made-up-'));
    expect(looked + refused).toBe(500);
  });

  it('tells who is looked up that the key is not valid, and the rest that it cannot be decided', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 500 }, (_, index) => failureOf(guarded.authenticate(madeUp(`made-up-${index}`)))),
    );
    const codes = new Set(outcomes.map((error) => (error as { code?: string }).code));
    expect(codes).toEqual(new Set(['unauthenticated', 'security_unavailable']));
    for (const error of outcomes) {
      if (!(error instanceof UnauthenticatedError)) {
        expect((error as { retryAfterMs?: number }).retryAfterMs).toBeGreaterThanOrEqual(1_000);
      }
    }
  });

  it('pushes no caller out of memory, and leaves a bounded trace in the log', async () => {
    const [token = ''] = await knownCallers(1);
    await guarded.authenticate(token);
    for (let round = 0; round < 30; round += 1) {
      await Promise.all(
        Array.from({ length: 100 }, (_, index) =>
          failureOf(guarded.authenticate(madeUp(`made-up-${round}-${index}`))),
        ),
      );
      clock.advance(900);
    }
    expect(security.recall(token)).toMatchObject({ id: 'key:till-0' });
    const lines = bench.recorder.lines.filter(({ fields }) => JSON.stringify(fields).includes('made-up'));
    expect(lines).toEqual([]);
    const told = bench.recorder.lines.filter(({ message }) => message.startsWith('Too many callers'));
    expect(told).toHaveLength(1);
  });

  it('is over when it is over: somebody new is let in a second later', async () => {
    await Promise.all(
      Array.from({ length: 500 }, (_, index) => failureOf(guarded.authenticate(madeUp(`made-up-${index}`)))),
    );
    const keys = new ApiKeyAdministration(bench.service.callers, bench.recorder, clock);
    const token = await keys.create({ id: 'new', role: 'viewer' });
    clock.advance(1_000);
    await expect(guarded.authenticate(token)).resolves.toMatchObject({ id: 'key:new' });
  });

  it('is told from a crowd that exists, which is let in as fast as Vault answers', async () => {
    const tokens = await knownCallers(120);
    // a process that was just started knows none of them
    const fresh = new SecurityService({ records: bench.service.callers, log: bench.recorder, clock });
    const crowd = await Promise.all(tokens.map((token) => fresh.authenticate(token)));
    expect(crowd).toHaveLength(120);
  });
});

describe('a flood of made-up secrets', () => {
  it('for one caller asks Vault once a second, and takes no place from others', async () => {
    const [victim = '', other = ''] = await knownCallers(2);
    const guesses = (): Promise<unknown>[] =>
      Array.from({ length: 300 }, () => failureOf(guarded.authenticate(madeUp('till-0'))));
    for (const error of await Promise.all(guesses())) expect(error).toBeInstanceOf(UnauthenticatedError);
    expect(readsOf('till-0')).toBe(1);
    const flood = Promise.all(guesses());
    await expect(guarded.authenticate(victim)).resolves.toMatchObject({ id: 'key:till-0' });
    await expect(guarded.authenticate(other)).resolves.toMatchObject({ id: 'key:till-1' });
    await flood;
    clock.advance(1_000);
    await Promise.all(guesses());
    expect(readsOf('till-0')).toBe(2);
  });

  it('for many callers is bounded, and keeps none of them out', async () => {
    const tokens = await knownCallers(60);
    await Promise.all(tokens.map((token) => guarded.authenticate(token)));
    for (let second = 0; second < 10; second += 1) {
      clock.advance(1_000);
      await Promise.all(tokens.map((_, index) => failureOf(guarded.authenticate(madeUp(`till-${index}`)))));
    }
    // 60 for the callers themselves, a hundred guesses at once, and ten a second
    expect(readsOf('till-')).toBeLessThanOrEqual(60 + 100 + 100);
    clock.advance(30_000);
    expect(await Promise.all(tokens.map((token) => guarded.authenticate(token)))).toHaveLength(60);
  });

  it('does not keep a new key of a caller from being known a second later', async () => {
    const keys = new ApiKeyAdministration(bench.service.callers, bench.recorder, clock);
    const old = await keys.create({ id: 'ops', role: 'admin' });
    await guarded.authenticate(old);
    for (let index = 0; index < 200; index += 1) await failureOf(guarded.authenticate(madeUp('ops')));
    const fresh = await keys.create({ id: 'ops', role: 'admin' });
    clock.advance(1_000);
    await expect(guarded.authenticate(fresh)).resolves.toMatchObject({ id: 'key:ops' });
  });
});
