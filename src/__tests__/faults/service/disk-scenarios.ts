import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoring } from '../../../shared/errors/error-code.js';
import { waitUntil } from '../../../dev/wait-until.js';
import type { Measurements } from '../scenario.js';
import type { HttpRecorder } from './http-recorder.js';
import { impatient } from './queueing.js';
import type { ServiceLab } from './service-lab.js';
import type { ServiceScenario } from './service-scenario.js';
import { totals } from './stop-scenarios.js';

const timeoutMs = 30_000;

/** A way to make the disk fail under a running journal, and to mend it; undefined where this machine has none. */
interface DiskFault {
  readonly begin: () => Promise<void>;
  readonly end: () => Promise<void>;
  readonly release: () => Promise<void>;
}

/** A file system of its own, filled up. */
async function smallDisk(folder: string): Promise<DiskFault | undefined> {
  await mkdir(folder);
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]);
  if (status !== 0) return undefined;
  const ballast = join(folder, 'ballast');
  return {
    begin: async () => {
      const file = await open(ballast, 'w');
      const bytes = Buffer.alloc(4_096);
      try {
        for (;;) await file.write(bytes);
      } catch (error) {
        ignoring('ENOSPC')(error);
      } finally {
        await file.close();
      }
    },
    end: () => rm(ballast),
    release: () => {
      spawnSync('umount', ['-l', folder]);
      return Promise.resolve();
    },
  };
}

/** The kernel lets the process write no file beyond its first kilobyte: every write to the journal fails (EFBIG). */
function fileSizeLimit(pid: () => number): DiskFault | undefined {
  if (spawnSync('prlimit', ['--version']).status !== 0) return undefined;
  const limit = (bytes: string): Promise<void> => {
    const { status, stderr } = spawnSync('prlimit', ['--pid', String(pid()), `--fsize=${bytes}`]);
    assert.equal(status, 0, String(stderr));
    return Promise.resolve();
  };
  return {
    begin: () => limit('1024:unlimited'),
    end: () => limit('unlimited:unlimited'),
    release: () => Promise.resolve(),
  };
}

/** Writes until one is refused. @returns how many were accepted before */
async function writeUntilRefused(recorder: HttpRecorder): Promise<number> {
  for (let accepted = 0; ; accepted += 1) {
    const { answer } = await recorder.create({ isKeyed: false });
    if (answer?.status === 202) continue;
    assert.equal(answer?.status, 503, 'a write that cannot be kept is refused');
    assert.match(String(answer.code), /^journal_(full|unavailable)$/);
    return accepted;
  }
}

async function failingDisk(lab: ServiceLab, recorder: HttpRecorder, fault: DiskFault): Promise<Measurements> {
  await lab.cluster.primary.kill();
  assert.equal((await recorder.create()).answer?.status, 202);
  await fault.begin();
  const acceptedBefore = await writeUntilRefused(recorder);
  const more = await Promise.all(Array.from({ length: 10 }, () => recorder.create({ isKeyed: false })));
  const accepted = more.filter(({ answer }) => answer?.status !== 503).length;
  assert.equal(accepted, 0, 'nothing is accepted');
  await fault.end();
  const mendedAtMs = performance.now();
  await waitUntil(
    'writes to be accepted again',
    async () => (await recorder.create({ isKeyed: false })).answer?.status === 202,
    { timeoutMs },
  );
  const recoveredMs = performance.now() - mendedAtMs;
  await lab.cluster.mend();
  return { 'accepted before': acceptedBefore, recoveredMs, ...(await totals(lab, recorder)) };
}

async function diskFull(lab: ServiceLab): Promise<Measurements> {
  const folder = join(lab.folder, 'small-disk');
  const fault = await smallDisk(folder);
  if (!fault) return { 'skipped: this process may not mount': 1 };
  const service = await lab.another('the service with a small disk', {
    JOURNAL_DIR: join(folder, 'journal'),
  });
  try {
    await service.start();
    return await failingDisk(lab, lab.recorder(service), fault);
  } finally {
    await service.kill('SIGKILL');
    await fault.release();
  }
}

async function diskFails(lab: ServiceLab): Promise<Measurements> {
  const fault = fileSizeLimit(() => lab.service.pid);
  if (!fault) return { 'skipped: there is no prlimit': 1 };
  return failingDisk(lab, lab.recorder(), fault);
}

export const diskScenarios: readonly ServiceScenario[] = [
  { number: '28', name: 'service: disk full', options: { environment: impatient }, run: diskFull },
  {
    number: '28e',
    name: 'service: disk fails',
    options: { environment: impatient },
    run: diskFails,
  },
];
