import { strict as assert } from 'node:assert';
import { setTimeout as delay } from 'node:timers/promises';
import { waitUntil } from '../../../dev/wait-until.js';
import type { Measurements } from '../scenario.js';
import type { LoadMix } from './mixed-load.js';
import { impatient, queueWrites } from './queueing.js';
import type { RecordedWrite } from './recorded-write.js';
import type { ServiceLab } from './service-lab.js';
import type { ServiceScenario } from './service-scenario.js';
import { totals } from './stop-scenarios.js';

const stores = 600;
const each = 4;
const freshClients = 2;
const baselineMs = 3_000;
const timeoutMs = 120_000;
const callers = 1_000;
const writesOnly: LoadMix = { creations: 0.3, decommissionings: 0, intrusions: 0, reads: 0, keyed: 1 };

/** Latencies of writes that were made at once, in ms. */
function latenciesOf(writes: readonly RecordedWrite[]): number[] {
  return writes
    .flatMap(({ startedAtMs, answer }) => (answer && answer.status < 202 ? [answer.atMs - startedAtMs] : []))
    .sort((a, b) => a - b);
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** How fast a queue is worked off, and what those feel who write meanwhile. */
async function drainRate(lab: ServiceLab): Promise<Measurements> {
  const { cluster } = lab;
  const { primary } = cluster;
  const fresh = lab.recorder();
  fresh.start(freshClients, writesOnly);
  await delay(baselineMs);
  await fresh.stop();
  const before = latenciesOf(fresh.writes);
  const recorder = lab.recorder();
  await primary.kill();
  const queued = await queueWrites(recorder, stores, each);
  await primary.start();
  const done = async (): Promise<number> => {
    const [row] = await cluster.administer<{ count: number }>(
      primary,
      `SELECT count(*)::int AS count FROM store_audit WHERE request_id LIKE '${recorder.prefix}.%'`,
    );
    return row?.count ?? 0;
  };
  const first = await waitUntil('the drain to begin', async () => (await done()) || undefined, { timeoutMs });
  const alone = await rateUntil('half of the queue to be drained', done, first, queued.length / 2);
  const known = fresh.writes.length;
  fresh.start(freshClients, writesOnly);
  const beside = await rateUntil('the drain to end', done, alone.reached, queued.length);
  await fresh.stop();
  const during = latenciesOf(fresh.writes.slice(known));
  await totals(lab, fresh);
  const { lost, doubled } = await totals(lab, recorder);
  return {
    queued: queued.length,
    'drained a second': alone.perSecond,
    'beside fresh writes': beside.perSecond,
    'fresh writes before, medianMs': quantile(before, 0.5),
    'p99Ms ': quantile(before, 0.99),
    'during the drain, medianMs': quantile(during, 0.5),
    p99Ms: quantile(during, 0.99),
    'fresh writes meanwhile': during.length,
    lost: lost ?? 0,
    doubled: doubled ?? 0,
  };
}

/** How fast `count` grows from where it is to `goal`. */
async function rateUntil(
  what: string,
  count: () => Promise<number>,
  from: number,
  goal: number,
): Promise<{ perSecond: number; reached: number }> {
  const beganAtMs = performance.now();
  const reached = await waitUntil(
    what,
    async () => {
      const now = await count();
      return now >= goal ? now : undefined;
    },
    { timeoutMs, intervalMs: 250 },
  );
  return { perSecond: (reached - from) / ((performance.now() - beganAtMs) / 1_000), reached };
}

/** All of them wait for the primary when it comes back. */
async function manyCallers(lab: ServiceLab): Promise<Measurements> {
  const { primary } = lab.cluster;
  const recorder = lab.recorder();
  assert.equal((await recorder.create()).answer?.status, 201);
  await primary.kill();
  const calling = Array.from({ length: callers }, () => recorder.create({ headers: { prefer: 'wait=20' } }));
  await delay(lab.random.between(1_500, 2_500));
  await primary.start();
  const backAtMs = performance.now();
  const answers = (await Promise.all(calling)).map(({ answer }) => answer);
  const statuses = (status: number): number => answers.filter((answer) => answer?.status === status).length;
  const lastAtMs = Math.max(...answers.map((answer) => answer?.atMs ?? 0));
  const shed = recorder.replies.get('POST 503 overloaded') ?? 0;
  return {
    callers,
    'made at once': statuses(201),
    accepted: statuses(202),
    'shed and repeated': shed,
    'all answeredMs': lastAtMs - backAtMs,
    ...(await totals(lab, recorder)),
  };
}

export const throughputScenarios: readonly ServiceScenario[] = [
  { number: 'drain', name: 'service: rate of a drain', options: { environment: impatient }, run: drainRate },
  { number: '21s', name: 'service: 1 000 callers at recovery', run: manyCallers },
];
