import { strict as assert } from 'node:assert';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { UniqueViolationError } from '../../shared/database/database-error.js';
import type { Transaction } from '../../shared/database/queryable.js';
import { OverloadedError } from '../../shared/errors/app-error.js';
import { BreakerOpenError } from '../../shared/resilience/breaker.js';
import { type FaultLab, isSuspicion } from './fault-lab.js';
import type { Scenario } from './scenario.js';

async function settled(promises: readonly Promise<unknown>[]): Promise<{ done: number; errors: unknown[] }> {
  const results = await Promise.allSettled(promises);
  const errors = results.flatMap((result) =>
    result.status === 'rejected' ? [result.reason as unknown] : [],
  );
  return { done: results.length - errors.length, errors };
}

function assertNoFailover(lab: FaultLab): void {
  const suspicions = lab.heard.filter(({ event }) => isSuspicion(event));
  assert.deepEqual(suspicions, [], 'the node is not suspected');
  assert.equal(lab.manager.status().cluster.kind, 'healthy');
  const { primary, replica } = lab.breakers;
  assert.deepEqual([primary.state.name, replica.state.name], ['closed', 'closed'], 'no breaker has opened');
}

/** Whoever throws connections away at an error opens many more than these. */
const stormPoolSize = 10;

export const overloadScenarios: readonly Scenario[] = [
  {
    number: '17',
    name: 'storm of 23505',
    config: { poolSize: stormPoolSize },
    run: async (lab) => {
      const key = randomUUID();
      const insert = (): Promise<unknown> =>
        lab.manager.transaction((tx) =>
          tx.query(
            "INSERT INTO idempotency_keys (principal, key, fingerprint, created_at) VALUES ('storm', $1, $2, now())",
            [key, Buffer.alloc(32)],
          ),
        );
      await insert();
      const proxy = lab.proxyOf(lab.cluster.primary);
      const acceptedBefore = proxy.accepted;
      const { errors } = await settled(Array.from({ length: 200 }, insert));
      assert.ok(errors.length === 200 && errors.every((error) => error instanceof UniqueViolationError));
      assertNoFailover(lab);
      const opened = proxy.accepted - acceptedBefore;
      assert.ok(opened <= stormPoolSize, 'connections are kept');
      return { violations: errors.length, connectionsOpened: opened };
    },
  },
  {
    number: '18',
    name: 'pool exhausted by slow queries',
    config: { poolSize: 4, maxWaiting: 20, connectTimeoutMs: 500 },
    run: async (lab) => {
      const startedAtMs = performance.now();
      const slow = Array.from({ length: 60 }, () =>
        lab.manager.transaction((tx) => tx.query('SELECT pg_sleep(1.5)')),
      );
      const { done, errors } = await settled(slow);
      const shedMs = performance.now() - startedAtMs;
      assert.ok(errors.length > 0 && errors.every((error) => error instanceof OverloadedError));
      assert.equal(done, 4, 'what had a connection was carried out');
      assertNoFailover(lab);
      return { shed: errors.length, done, totalMs: shedMs };
    },
  },
  {
    number: '19',
    name: '53300: the server has no more connections',
    run: async (lab) => {
      const { cluster } = lab;
      await cluster.administer(cluster.primary, `ALTER ROLE ${cluster.appUser} CONNECTION LIMIT 3`);
      const work = Array.from({ length: 20 }, () =>
        lab.manager.transaction((tx) => tx.query('SELECT pg_sleep(0.2)')),
      );
      const { done, errors } = await settled(work);
      assert.ok(errors.length > 0 && errors.every((error) => error instanceof OverloadedError));
      assertNoFailover(lab);
      return { shed: errors.length, done };
    },
  },
  {
    number: '20',
    name: 'backends terminated again and again',
    run: async (lab) => {
      const { cluster } = lab;
      const writers = await lab.writers();
      for (let round = 0; round < 10; round += 1) {
        await cluster.administer(
          cluster.primary,
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${cluster.appUser}'`,
        );
        await delay(lab.random.between(20, 120));
      }
      const acknowledged = await lab.check(writers);
      const lost = lab.heard.filter(({ event }) => event.type === 'connection_lost').length;
      assert.ok(lost > 0, 'connections were lost');
      assert.deepEqual(writers.refusals, [], 'no caller hears of it');
      return { acknowledged, connectionsLost: lost, refusals: writers.refusals.length };
    },
  },
  {
    number: '21',
    name: '1 000 callers at recovery',
    config: { maxWaiting: 1_000, failoverWaitMs: 10_000, connectTimeoutMs: 10_000 },
    run: async (lab) => {
      const { primary } = lab.cluster;
      const proxy = lab.proxyOf(primary);
      await primary.stop('immediate');
      const acceptedBefore = proxy.accepted;
      const callers = Array.from({ length: 1_000 }, () =>
        lab.manager.transaction((tx) =>
          tx.query('INSERT INTO fault_effects (operation_id) VALUES (gen_random_uuid())'),
        ),
      );
      const downMs = 1_000;
      await delay(downMs);
      const probes = proxy.accepted - acceptedBefore;
      await primary.start();
      const startedAtMs = performance.now();
      const { errors } = await settled(callers);
      assert.deepEqual(errors, [], 'every caller is served');
      // one look each 100 to 200 ms, and nothing from callers
      assert.ok(probes <= 15, `${probes} connections while there was no primary`);
      return {
        probes,
        connections: proxy.accepted - acceptedBefore,
        drainedMs: performance.now() - startedAtMs,
      };
    },
  },
  {
    number: '21',
    name: '1 000 callers at an open breaker: one trial at a time, and everybody is served',
    config: { maxWaiting: 1_000, failoverWaitMs: 200, connectTimeoutMs: 10_000 },
    run: async (lab) => {
      const { primary } = lab.cluster;
      const breaker = lab.breakers.primary;
      const insert = (tx: Transaction): Promise<unknown> =>
        tx.query('INSERT INTO fault_effects (operation_id) VALUES (gen_random_uuid())');
      await primary.stop('immediate');
      const tripped = await settled(Array.from({ length: 5 }, () => lab.manager.transaction(insert)));
      assert.equal(tripped.done, 0);
      assert.equal(breaker.state.name, 'open');
      const refusedAtMs = performance.now();
      const { errors: refused } = await settled([lab.manager.transaction(insert)]);
      const refusalMs = performance.now() - refusedAtMs;
      assert.ok(refused[0] instanceof BreakerOpenError && refusalMs < 50, 'refused at once');
      let trials = 0;
      let trialsAtOnce = 0;
      const callers = Array.from({ length: 1_000 }, () =>
        lab.manager.transaction(
          async (tx) => {
            const isTrial = breaker.state.name === 'half-open';
            if (isTrial) trials += 1;
            if (isTrial) trialsAtOnce = Math.max(trialsAtOnce, breaker.inFlight);
            await insert(tx);
          },
          { waitMs: 15_000 },
        ),
      );
      await primary.start();
      const startedAtMs = performance.now();
      const { errors } = await settled(callers);
      assert.deepEqual(errors, [], 'every caller is served');
      assert.equal(breaker.state.name, 'closed');
      assert.equal(trials, 3, 'as many trials as it takes');
      assert.equal(trialsAtOnce, 1, 'one at a time');
      return { refusalMs, trials, trialsAtOnce, drainedMs: performance.now() - startedAtMs };
    },
  },
];
