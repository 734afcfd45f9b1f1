import { strict as assert } from 'node:assert';
import { setTimeout as delay } from 'node:timers/promises';
import { waitUntil } from '../../../dev/wait-until.js';
import type { Measurements } from '../scenario.js';
import type { HttpRecorder } from './http-recorder.js';
import { MetricsPage } from './metrics-page.js';
import { countLike, repliesLike } from './replies.js';
import type { ServiceLab } from './service-lab.js';
import type { ServiceScenario } from './service-scenario.js';
import { totals, writesAgain } from './stop-scenarios.js';

const clients = 6;
/** A lease gets a new login no more often than this. */
const mintIntervalMs = 30_000;
/** Two thirds of it are over, within the jitter, about when another login may be made. */
const longTtlS = 45;
/** So short that it ends before another login may be made. */
const shortTtlS = 22;
/** The shortest that Vault has for the password of a login that stays. */
const periodS = 5;
const changes = 3;
const marginMs = 10_000;
/** Long enough for a second attempt to be seen if there were one. */
const goOnMs = 1_500;
/** From the shortest wait between two attempts on, doubled each time, until the end of the lease. */
const mostRenewals = 4;

/** When Vault was asked for `path`, for the first lease of the service and ever after. */
export function askedAtMs({ vault }: ServiceLab, path: string): readonly number[] {
  return vault.server.requests.filter((seen) => seen.path.startsWith(path)).map(({ atMs }) => atMs);
}

/** When the first login for the database was made: its lease counts from there. */
export function mintedAtMs(lab: ServiceLab): number {
  const [first] = askedAtMs(lab, 'database/creds');
  assert.ok(first !== undefined, 'a login was made');
  return first;
}

/** Until the service says that its last login is over. */
export function untilLoginIsOver(lab: ServiceLab, timeoutMs: number): Promise<number> {
  return waitUntil(
    'the login for the database to be over',
    async () => {
      const page = await MetricsPage.read(lab);
      const isOver = page.sum('vault_security_events_total', 'event="credentials_expired"') === 1;
      return isOver ? performance.now() : undefined;
    },
    { timeoutMs },
  );
}

/** Writes of those who may, which were carried out at once after a moment. */
export function madeAfter({ writes }: HttpRecorder, sinceMs: number): number {
  return writes.filter(
    ({ answer, startedAtMs, caller }) =>
      caller === 'operator' && startedAtMs > sinceMs && (answer?.status ?? 999) < 202,
  ).length;
}

async function renewalRefused(lab: ServiceLab): Promise<Measurements> {
  const errors = [lab.mark('a wrong answer of Vault')];
  lab.vault.server.misbehaviour.begin({
    pathPrefix: 'sys/leases/renew',
    misdeed: { kind: 'status', status: 400, errors },
  });
  const { leases } = lab.vault.server.state;
  const [first] = leases.all();
  assert.ok(first, 'a login is leased');
  const recorder = await lab.load(clients);
  const limitMs = mintedAtMs(lab) + mintIntervalMs + marginMs - performance.now();
  await waitUntil(
    'another login',
    async () => (await MetricsPage.read(lab)).sum('vault_rotations_total') === 2,
    { timeoutMs: limitMs },
  );
  const rotatedAtMs = performance.now();
  await waitUntil('the old login to be given back', () => !leases.all().includes(first), {
    timeoutMs: marginMs,
  });
  const revokedAtMs = performance.now();
  assert.ok(revokedAtMs - mintedAtMs(lab) < longTtlS * 1_000, 'before its time is over');
  await writesAgain(recorder, revokedAtMs);
  await delay(goOnMs);
  const page = await MetricsPage.read(lab);
  const renewals = askedAtMs(lab, 'sys/leases/renew').length;
  const mints = askedAtMs(lab, 'database/creds').length - 1;
  assert.deepEqual({ renewals, mints }, { renewals: 1, mints: 1 }, 'one answer is enough to rotate, once');
  const refusals = page.sum('vault_security_events_total', 'event="credentials_refused"');
  assert.equal(refusals, 0, 'the old login is good until nobody uses it');
  const sums = await totals(lab, recorder);
  assert.deepEqual(repliesLike(recorder, /no_answer|not_sent| 5\d\d/), [], 'no request fails');
  return {
    'rotated after the first loginMs': rotatedAtMs - mintedAtMs(lab),
    'old one given backMs': revokedAtMs - rotatedAtMs,
    renewals,
    mints,
    'failed requests': 0,
    ...sums,
  };
}

/** Vault changes the password of the one login again and again. */
async function passwordChanges(lab: ServiceLab): Promise<Measurements> {
  const recorder = await lab.load(clients);
  const rotations = async (): Promise<number> =>
    (await MetricsPage.read(lab)).sum('vault_rotations_total') - 1;
  await waitUntil('some changes of the password', async () => (await rotations()) >= changes, {
    timeoutMs: changes * 2 * periodS * 1_000,
    intervalMs: 100,
  });
  await writesAgain(recorder, performance.now());
  await delay(goOnMs);
  const rotated = await rotations();
  const sums = await totals(lab, recorder);
  assert.deepEqual(repliesLike(recorder, /no_answer|not_sent| 5\d\d/), [], 'no request fails');
  return { rotations: rotated, 'failed requests': 0, ...sums };
}

async function renewalFails(lab: ServiceLab): Promise<Measurements> {
  const firstAtMs = mintedAtMs(lab);
  const recorder = await lab.load(clients);
  const errors = [lab.mark('a wrong answer of Vault')];
  for (const pathPrefix of ['sys/leases/renew', 'database/creds']) {
    lab.vault.server.misbehaviour.begin({ pathPrefix, misdeed: { kind: 'status', status: 500, errors } });
  }
  const overAtMs = await untilLoginIsOver(lab, shortTtlS * 1_000 + marginMs);
  const failedBefore = repliesLike(recorder, /no_answer|not_sent| 5\d\d/);
  const renewals = askedAtMs(lab, 'sys/leases/renew').length;
  assert.ok(overAtMs - firstAtMs >= shortTtlS * 1_000 - 500, 'the login is used until its lease ends');
  assert.deepEqual(failedBefore, [], 'until then no request fails');
  assert.ok(renewals > 1 && renewals <= mostRenewals, `${renewals} attempts to renew`);

  await delay(goOnMs);
  const queued = countLike(recorder, / 202/);
  assert.ok(queued > 0, 'writes are accepted for later');
  assert.equal(madeAfter(recorder, overAtMs), 0, 'and no write is made with a login that is over');
  await lab.vault.mend();
  const resumedAtMs = await writesAgain(
    recorder,
    overAtMs,
    firstAtMs + mintIntervalMs + marginMs - performance.now(),
  );
  const mints = askedAtMs(lab, 'database/creds').length - 1;
  assert.equal(mints, 1, 'one login is asked for, when that may be');
  const sums = await totals(lab, recorder);
  assert.deepEqual(repliesLike(recorder, /^(POST|PUT|DELETE) 503/), [], 'every write is accepted');
  return {
    'over after the first loginMs': overAtMs - firstAtMs,
    'back after the first loginMs': resumedAtMs - firstAtMs,
    renewals,
    mints,
    queued,
    'refused reads': countLike(recorder, /^GET 503/),
    ...sums,
  };
}

export const leaseScenarios: readonly ServiceScenario[] = [
  {
    number: '32s',
    name: 'service: password of the login for the database changes under load',
    options: { hasVaultLogins: true, passwordPeriod: `${periodS}s` },
    run: passwordChanges,
  },
  {
    number: '34',
    name: 'service: renewal of the login for the database is answered 400',
    options: { hasVaultLogins: true, loginTtl: `${longTtlS}s` },
    run: renewalRefused,
  },
  {
    number: '35',
    name: 'service: renewal of the login for the database fails until it is over',
    options: { hasVaultLogins: true, loginTtl: `${shortTtlS}s` },
    run: renewalFails,
  },
];
