import { strict as assert } from 'node:assert';
import { setTimeout as delay } from 'node:timers/promises';
import { waitUntil } from '../../../dev/wait-until.js';
import type { Measurements } from '../scenario.js';
import type { HttpRecorder } from './http-recorder.js';
import { MetricsPage } from './metrics-page.js';
import { repliesLike } from './replies.js';
import type { ServiceLab } from './service-lab.js';
import type { ServiceScenario } from './service-scenario.js';
import { totals, writesAgain } from './stop-scenarios.js';

const clients = 6;
/** Of the journal's drain, beside the clients. */
const drainStreams = 8;
/** A lease gets a new login no more often than this, whatever happens to it. */
const mintIntervalMs = 30_000;
/** From when a mint is allowed to the first write: the mint, its proof at both nodes, a look at them, a trial of the breaker. */
const marginMs = 5_000;
/** Long enough for a second renewal to be seen if there were one, and for all clients to have asked with the new login. */
const goOnMs = 2_000;

type Revoke = (lab: ServiceLab, token: string) => Promise<void>;

/** What the service did about it so far. */
interface Efforts {
  readonly logins: number;
  /** Logins for the database that were published. */
  readonly mints: number;
  readonly refusals: number;
  readonly retries: number;
}

async function effortsOf(lab: ServiceLab): Promise<Efforts> {
  const page = await MetricsPage.read(lab);
  return {
    logins: page.sum('vault_logins_total', 'outcome="done"'),
    mints: page.sum('vault_rotations_total'),
    refusals: page.sum('vault_security_events_total', 'event="credentials_refused"'),
    retries: page.sum('database_write_retries_total', 'reason="credentials"'),
  };
}

/** When Vault was last asked for a login of the database. */
function mintedAtMs({ vault }: ServiceLab): number {
  const mint = vault.server.requests.findLast(({ path }) => path.startsWith('database/creds'));
  assert.ok(mint, 'a login was minted');
  return mint.atMs;
}

async function revoke(lab: ServiceLab, how: Revoke): Promise<number> {
  for (const token of lab.vault.tokensOfServices) await how(lab, token);
  return performance.now();
}

/** After a few requests under the new login: what it took to get there is once, and no more, of everything. */
async function judge(
  lab: ServiceLab,
  recorder: HttpRecorder,
  before: Efforts,
  expectedLogins: number,
): Promise<Measurements> {
  await delay(goOnMs);
  const after = await effortsOf(lab);
  const measured = {
    logins: after.logins - before.logins,
    mints: after.mints - before.mints,
    refusals: after.refusals - before.refusals,
    retries: after.retries - before.retries,
  };
  const sums = await totals(lab, recorder);
  assert.equal(measured.mints, 1, 'one login for the database is made');
  assert.equal(measured.logins, expectedLogins, 'the service logs in to Vault again only if it has to');
  assert.ok(measured.refusals <= 1, 'the refusal of a login is reported once');
  // what is under way when the login goes, or when the next one comes, meets a refusal and is repeated once
  assert.ok(measured.retries <= 2 * (clients + drainStreams), 'a write is tried again at most once');
  return { ...measured, ...sums };
}

/**
 * When a store is first created at once again. A replacement may have to wait for its turn behind thousands that were
 * accepted meanwhile; a new store has nothing before it.
 */
function createsAgain(recorder: HttpRecorder, timeoutMs: number): Promise<number> {
  return waitUntil(
    'a store to be created at once',
    async () => {
      const { answer } = await recorder.create();
      return answer?.status === 201 ? answer.atMs : undefined;
    },
    { timeoutMs, intervalMs: 50 },
  );
}

/**
 * Right after the login was minted, when another one must wait: for want of the database, reads are answered from memory or
 * refused for now, and writes are accepted for later. Nothing is anybody's fault, and nobody has to ask for it to end.
 */
async function revokedWhileMintsWait(
  lab: ServiceLab,
  how: Revoke,
  expectedLogins: number,
): Promise<Measurements> {
  const recorder = await lab.load(clients);
  const before = await effortsOf(lab);
  const firstAtMs = mintedAtMs(lab);
  const revokedAtMs = await revoke(lab, how);
  const limitMs = firstAtMs + mintIntervalMs + marginMs - revokedAtMs;
  const refused = await recorder.create();
  assert.equal(refused.answer?.status, 202, 'without a login writes are accepted for later');
  const resumedAtMs = await createsAgain(recorder, limitMs);
  const secondAtMs = mintedAtMs(lab);
  assert.ok(secondAtMs - firstAtMs >= mintIntervalMs, 'a lease gets one login in its interval');
  const measured = await judge(lab, recorder, before, expectedLogins);
  assert.deepEqual(repliesLike(recorder, /no_answer|not_sent| 5(?!03)\d\d/), [], 'no request goes wrong');
  assert.deepEqual(repliesLike(recorder, /^(POST|PUT|DELETE) 503/), [], 'every write is accepted');
  return {
    resumedMs: resumedAtMs - revokedAtMs,
    'after a mint was allowedMs': resumedAtMs - firstAtMs - mintIntervalMs,
    'refused reads': repliesLike(recorder, /^GET 503/).reduce((sum, [, count]) => sum + count, 0),
    ...measured,
  };
}

/** When another login may be minted at once, everybody waits for it, and no request fails. */
async function revokedLater(lab: ServiceLab, how: Revoke, expectedLogins: number): Promise<Measurements> {
  await delay(mintIntervalMs);
  const recorder = await lab.load(clients);
  const before = await effortsOf(lab);
  const revokedAtMs = await revoke(lab, how);
  const resumedAtMs = await writesAgain(recorder, revokedAtMs, marginMs);
  const measured = await judge(lab, recorder, before, expectedLogins);
  assert.deepEqual(repliesLike(recorder, /no_answer|not_sent| 5\d\d/), [], 'no request fails');
  return { resumedMs: resumedAtMs - revokedAtMs, ...measured };
}

const revokeLeases: Revoke = ({ vault }, token) => vault.server.state.leases.revokeOfToken(token);
const revokeToken: Revoke = ({ vault }, token) => vault.server.state.tokens.revoke(token);
const options = { hasVaultLogins: true };

export const vaultScenarios: readonly ServiceScenario[] = [
  {
    number: '33',
    name: 'service: login for the database revoked right after it was made',
    options,
    run: (lab) => revokedWhileMintsWait(lab, revokeLeases, 0),
  },
  {
    number: '33l',
    name: 'service: login for the database revoked later, before its time',
    options,
    run: (lab) => revokedLater(lab, revokeLeases, 0),
  },
  {
    number: '36',
    name: 'service: token of Vault revoked, and its leases with it, right after they were made',
    options,
    run: (lab) => revokedWhileMintsWait(lab, revokeToken, 1),
  },
  {
    number: '36l',
    name: 'service: token of Vault revoked, and its leases with it, later',
    options,
    run: (lab) => revokedLater(lab, revokeToken, 1),
  },
];
