import { setTimeout as delay } from 'node:timers/promises';
import type { SeededRandom } from '../../helpers/seeded-random.js';
import { containing } from '../../helpers/fault-proxy.js';
import type { ServiceLab } from './service-lab.js';

/** Something that goes wrong for a while, under load. What it leaves behind is mended after each. */
export interface RandomFault {
  readonly name: string;
  /** @param random how long what lasts; drawn by nobody else, so that a seed repeats it whatever the clients do */
  readonly begin: (lab: ServiceLab, random: SeededRandom) => Promise<void>;
}

/** By chance, so that what is under way is met at different places. */
function aWhile(random: SeededRandom, fromMs = 200, toMs = 2_500): Promise<void> {
  return delay(random.between(fromMs, toMs));
}

async function promoteInstead(lab: ServiceLab, random: SeededRandom): Promise<void> {
  await aWhile(random, 0, 1_500);
  await lab.cluster.promoteReplica();
}

const stopThenStart = (name: string, mode: 'immediate' | 'fast' | 'kill'): RandomFault => ({
  name,
  begin: async (lab, random) => {
    const { primary } = lab.cluster;
    if (mode === 'kill') await primary.kill();
    else await primary.stop(mode);
    await aWhile(random);
    await primary.start();
  },
});

export const randomFaults: readonly RandomFault[] = [
  stopThenStart('kill -9 of the primary', 'kill'),
  stopThenStart('immediate stop of the primary', 'immediate'),
  stopThenStart('fast stop of the primary', 'fast'),
  {
    name: 'kill -9 of the primary, promotion',
    begin: async (lab, random) => {
      await lab.cluster.primary.kill();
      await promoteInstead(lab, random);
    },
  },
  {
    name: 'fast stop of the primary, promotion',
    begin: async (lab, random) => {
      await lab.cluster.primary.stop('fast');
      await promoteInstead(lab, random);
    },
  },
  { name: 'promotion while the old primary lives on', begin: promoteInstead },
  {
    name: 'SIGSTOP of the primary',
    begin: async (lab, random) => {
      const { primary } = lab.cluster;
      await primary.pause();
      await aWhile(random);
      await primary.resume();
    },
  },
  {
    name: 'black hole before the primary',
    begin: async (lab, random) => {
      const proxy = lab.proxyOf(lab.cluster.primary);
      await proxy.setMode({ kind: 'black-hole' });
      await aWhile(random);
      await proxy.setMode({ kind: 'pass' });
    },
  },
  {
    name: 'black hole before the primary, promotion',
    begin: async (lab, random) => {
      await lab.proxyOf(lab.cluster.primary).setMode({ kind: 'black-hole' });
      await promoteInstead(lab, random);
    },
  },
  {
    name: 'replies to COMMIT dropped',
    begin: async (lab, random) => {
      const proxy = lab.proxyOf(lab.cluster.primary);
      for (let count = 0; count < 5; count += 1) {
        proxy.cutNextReplyTo(containing('COMMIT'));
        await aWhile(random, 50, 300);
      }
    },
  },
  {
    name: 'replica stopped',
    begin: async (lab, random) => {
      await lab.cluster.replica.stop('immediate');
      await aWhile(random);
    },
  },
  {
    name: 'kill -9 of the service',
    begin: async (lab, random) => {
      await lab.service.kill('SIGKILL');
      await aWhile(random, 0, 500);
      await lab.service.start();
    },
  },
  {
    name: 'orderly restart of the service',
    begin: async (lab) => {
      await lab.service.kill('SIGTERM');
      await lab.service.start();
    },
  },
  {
    name: 'kill -9 of the service without a primary',
    begin: async (lab, random) => {
      const { primary } = lab.cluster;
      await primary.kill();
      await aWhile(random, 100, 1_000);
      await lab.service.restart();
      await aWhile(random);
      await primary.start();
    },
  },
  {
    name: 'black hole before Vault',
    begin: async (lab, random) => {
      await lab.vault.proxy.setMode({ kind: 'black-hole' });
      await aWhile(random);
      await lab.vault.proxy.setMode({ kind: 'pass' });
    },
  },
  {
    name: 'Vault sealed',
    begin: async (lab, random) => {
      lab.vault.server.state.isSealed = true;
      await aWhile(random);
    },
  },
];
