import { setTimeout as delay } from 'node:timers/promises';
import type { SeededRandom } from '../../helpers/seeded-random.js';
import { containing } from '../../helpers/fault-proxy.js';
import type { ServiceLab } from './service-lab.js';

/** Something that goes wrong for a while, under load. What it leaves behind is mended after each. */
export interface RandomFault {
  readonly name: string;
  readonly begin: (lab: ServiceLab) => Promise<void>;
}

/** By chance, so that what is under way is met at different places. */
function aWhile({ random }: ServiceLab, fromMs = 200, toMs = 2_500): Promise<void> {
  return delay(random.between(fromMs, toMs));
}

async function promoteInstead(lab: ServiceLab): Promise<void> {
  await aWhile(lab, 0, 1_500);
  await lab.cluster.promoteReplica();
}

const stopThenStart = (name: string, mode: 'immediate' | 'fast' | 'kill'): RandomFault => ({
  name,
  begin: async (lab) => {
    const { primary } = lab.cluster;
    if (mode === 'kill') await primary.kill();
    else await primary.stop(mode);
    await aWhile(lab);
    await primary.start();
  },
});

export const randomFaults: readonly RandomFault[] = [
  stopThenStart('kill -9 of the primary', 'kill'),
  stopThenStart('immediate stop of the primary', 'immediate'),
  stopThenStart('fast stop of the primary', 'fast'),
  {
    name: 'kill -9 of the primary, promotion',
    begin: async (lab) => {
      await lab.cluster.primary.kill();
      await promoteInstead(lab);
    },
  },
  {
    name: 'fast stop of the primary, promotion',
    begin: async (lab) => {
      await lab.cluster.primary.stop('fast');
      await promoteInstead(lab);
    },
  },
  { name: 'promotion while the old primary lives on', begin: promoteInstead },
  {
    name: 'SIGSTOP of the primary',
    begin: async (lab) => {
      const { primary } = lab.cluster;
      await primary.pause();
      await aWhile(lab);
      await primary.resume();
    },
  },
  {
    name: 'black hole before the primary',
    begin: async (lab) => {
      const proxy = lab.proxyOf(lab.cluster.primary);
      await proxy.setMode({ kind: 'black-hole' });
      await aWhile(lab);
      await proxy.setMode({ kind: 'pass' });
    },
  },
  {
    name: 'black hole before the primary, promotion',
    begin: async (lab) => {
      await lab.proxyOf(lab.cluster.primary).setMode({ kind: 'black-hole' });
      await promoteInstead(lab);
    },
  },
  {
    name: 'replies to COMMIT dropped',
    begin: async (lab) => {
      const proxy = lab.proxyOf(lab.cluster.primary);
      for (let count = 0; count < 5; count += 1) {
        proxy.cutNextReplyTo(containing('COMMIT'));
        await aWhile(lab, 50, 300);
      }
    },
  },
  {
    name: 'replica stopped',
    begin: async (lab) => {
      await lab.cluster.replica.stop('immediate');
      await aWhile(lab);
    },
  },
  {
    name: 'kill -9 of the service',
    begin: async (lab) => {
      await lab.service.kill('SIGKILL');
      await aWhile(lab, 0, 500);
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
    begin: async (lab) => {
      const { primary } = lab.cluster;
      await primary.kill();
      await aWhile(lab, 100, 1_000);
      await lab.service.restart();
      await aWhile(lab);
      await primary.start();
    },
  },
  {
    name: 'black hole before Vault',
    begin: async (lab) => {
      await lab.vault.proxy.setMode({ kind: 'black-hole' });
      await aWhile(lab);
      await lab.vault.proxy.setMode({ kind: 'pass' });
    },
  },
  {
    name: 'Vault sealed',
    begin: async (lab) => {
      lab.vault.server.state.isSealed = true;
      await aWhile(lab);
    },
  },
];

/** Each once in an order of chance, and then again. */
export function* shuffled(random: SeededRandom): Generator<RandomFault, never> {
  for (;;) {
    const left = [...randomFaults];
    while (left.length > 0) {
      const [fault] = left.splice(random.between(0, left.length - 1), 1);
      if (fault) yield fault;
    }
  }
}
