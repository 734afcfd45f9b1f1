import { strict as assert } from 'node:assert';
import { setTimeout as delay } from 'node:timers/promises';
import { waitUntil } from '../../../dev/wait-until.js';
import type { Measurements } from '../scenario.js';
import { jsonOf, type Reply } from './http-caller.js';
import type { ServiceLab } from './service-lab.js';
import type { ServiceScenario } from './service-scenario.js';
import { totals } from './stop-scenarios.js';

const clients = 8;
const outageTimeoutMs = 30_000;
const failoverWaitMs = 1_000;

/** Stops both nodes, and waits until the service has noticed. */
export async function endDatabase(lab: ServiceLab): Promise<void> {
  await Promise.all(lab.cluster.nodes.map((node) => node.kill()));
  await waitUntil(
    'reads to be answered from memory',
    async () => (await lab.ask('GET', '/api/stores')).headers['cache-status'] !== undefined,
    { timeoutMs: outageTimeoutMs },
  );
}

function assertStale(what: string, reply: Reply): void {
  const { meta } = jsonOf(reply) as { meta?: { stale?: boolean; asOf?: string } };
  assert.equal(reply.status, 200, `${what} is answered`);
  assert.match(reply.headers.age ?? '', /^\d+$/, `${what} says its age`);
  assert.match(String(reply.headers['cache-status']), /^store-platform; hit; detail=/, what);
  assert.equal(meta?.stale, true, `${what} says that it is stale`);
  assert.ok(meta.asOf !== undefined, `${what} says of when it is`);
}

function codeOf(reply: Reply): string {
  return `${reply.status} ${String(jsonOf(reply)['code'])}`;
}

async function allDown(lab: ServiceLab): Promise<Measurements> {
  const recorder = lab.recorder();
  const known = await recorder.create();
  const unread = await recorder.create();
  const path = `/api/stores/${known.storeId ?? ''}`;
  assert.equal((await lab.ask('GET', path)).status, 200);
  assert.equal((await lab.ask('GET', '/api/stores')).status, 200);
  await endDatabase(lab);

  assertStale('a store', await lab.ask('GET', path));
  assertStale('the list', await lab.ask('GET', '/api/stores'));
  const fresh = await lab.ask('GET', path, { headers: { 'cache-control': 'no-cache' } });
  assert.equal(codeOf(fresh), '503 database_unavailable', 'a fresh answer cannot be had');
  const cold = await lab.ask('GET', '/api/stores?region=never-asked-for');
  assert.equal(codeOf(cold), '503 database_unavailable', 'no list is made up');
  assert.ok(cold.headers['retry-after'] !== undefined);

  const refused = await recorder.replace(unread, {
    isKeyed: false,
    path: '?onUnavailable=fail',
    headers: { prefer: 'wait=0' },
  });
  assert.equal(refused.answer?.status, 503, 'a write may ask to fail');
  const askedAtMs = performance.now();
  const queued = await recorder.replace(known);
  const acceptedMs = performance.now() - askedAtMs;
  assert.equal(queued.answer?.status, 202, 'a write is accepted');
  const operation = await recorder.readOperation(queued.answer.operationId ?? '', 0);
  assert.equal(operation?.status, 'QUEUED', 'its operation is readable at once');

  recorder.start(clients);
  await waitUntil('writes to queue up', () => recorder.writes.length > 20 * clients, {
    timeoutMs: outageTimeoutMs,
  });
  await recorder.stop();
  const accepted = recorder.writes.filter(({ answer }) => answer?.status === 202).length;
  await lab.cluster.mend();
  const backAtMs = performance.now();
  await recorder.followOperations(outageTimeoutMs);
  const drainedMs = performance.now() - backAtMs;
  return { acceptedMs, accepted, drainedMs, ...(await totals(lab, recorder)) };
}

async function waitThroughFailover(lab: ServiceLab): Promise<Measurements> {
  const recorder = lab.recorder();
  assert.equal((await recorder.create()).answer?.status, 201);
  await lab.cluster.primary.kill();
  await delay(lab.random.between(0, 300));
  const askedAtMs = performance.now();
  const writing = recorder.create({ headers: { prefer: 'wait=10' } });
  const impatient = recorder.create({ headers: { prefer: 'wait=0' } });
  await delay(failoverWaitMs + lab.random.between(500, 2_000));
  await lab.cluster.promoteReplica();
  const { answer } = await writing;
  assert.equal(answer?.status, 201, 'a write that waits long enough lives through the failover');
  assert.equal((await impatient).answer?.status, 202, 'one that does not wait is accepted');
  return { answeredMs: answer.atMs - askedAtMs, ...(await totals(lab, recorder)) };
}

export const outageScenarios: readonly ServiceScenario[] = [
  {
    number: '25s',
    name: 'service: all of Postgres down',
    options: { environment: { DATABASE_FAILOVER_WAIT_MS: String(failoverWaitMs) } },
    run: allDown,
  },
  {
    number: '9w',
    name: 'service: Prefer: wait=10 lives through a failover',
    options: { environment: { DATABASE_FAILOVER_WAIT_MS: String(failoverWaitMs) } },
    run: waitThroughFailover,
  },
];
