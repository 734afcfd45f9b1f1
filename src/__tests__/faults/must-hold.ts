import { strict as assert } from 'node:assert';
import { entersState, type FaultLab, isHealthy, isSuspicion } from './fault-lab.js';
import { resumeLimitMs } from './promotion-scenarios.js';
import { silentDetectionLimitMs } from './silence-scenarios.js';
import type { Measurements } from './scenario.js';

const suspicionLimitMs = 100;

/** A figure that must hold, in every round. */
export interface Figure {
  readonly name: string;
  readonly limitMs: number;
  /** One round; returns the time that counts. */
  readonly measure: (lab: FaultLab) => Promise<number>;
}

export const figures: readonly Figure[] = [
  {
    name: 'refused connection → suspected',
    limitMs: suspicionLimitMs,
    measure: async (lab) => {
      await lab.writers(2);
      const proxy = lab.proxyOf(lab.cluster.primary);
      const refusedAtMs = performance.now();
      await proxy.setMode({ kind: 'refuse' });
      const suspectedAtMs = await lab.heardAfter('the suspicion', refusedAtMs, isSuspicion);
      await proxy.setMode({ kind: 'pass' });
      await lab.heardAfter('recovery', suspectedAtMs, isHealthy);
      return suspectedAtMs - refusedAtMs;
    },
  },
  {
    name: '57P01 → suspected',
    limitMs: suspicionLimitMs,
    measure: async (lab) => {
      const { cluster } = lab;
      await lab.writers(2);
      const kill = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${cluster.appUser}'`;
      const { primary } = cluster;
      const terminatedAtMs = await primary.withAdmin(async (admin) => {
        const atMs = performance.now();
        await admin.query(kill);
        return atMs;
      });
      return (await lab.heardAfter('the suspicion', terminatedAtMs, isSuspicion)) - terminatedAtMs;
    },
  },
  {
    name: 'black hole → node down',
    limitMs: silentDetectionLimitMs,
    measure: async (lab) => {
      await lab.writers(2);
      const { primary } = lab.cluster;
      const silentAtMs = performance.now();
      await lab.proxyOf(primary).setMode({ kind: 'black-hole' });
      const downAtMs = await lab.heardAfter('it', silentAtMs, entersState(lab.nameOf(primary), 'down'));
      await lab.proxyOf(primary).setMode({ kind: 'pass' });
      return downAtMs - silentAtMs;
    },
  },
  {
    name: 'promotion → first successful write',
    limitMs: resumeLimitMs,
    measure: async (lab) => {
      const { cluster } = lab;
      await cluster.replicateSynchronously(true);
      const writers = await lab.writers(4);
      await cluster.primary.kill();
      await cluster.promoteReplica();
      const promotedAtMs = performance.now();
      const resumedAtMs = await lab.acknowledgedAfter(writers, promotedAtMs);
      await lab.check(writers);
      return resumedAtMs - promotedAtMs;
    },
  },
];

/** Median and worst of all rounds, held against the limit. */
export function summarise({ name, limitMs }: Figure, timesMs: readonly number[]): Measurements {
  const sorted = [...timesMs].sort((a, b) => a - b);
  const worst = sorted.at(-1) ?? Number.NaN;
  const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  assert.ok(worst <= limitMs, `${name}: worst ${Math.round(worst)} ms of at most ${limitMs} ms`);
  return { medianMs: median, worstMs: worst, limitMs, rounds: timesMs.length };
}
