import { afterEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { NotesSanitizer } from '../../../store-service/services/notes-sanitizer.js';
import { NotesProcess, type NotesProcessOptions } from '../../../store-service/services/notes-process.js';
import { isAlive } from '../../../dev/is-alive.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { ManualClock } from '../../helpers/manual-clock.js';
import { removeTemporaryFolders, useTemporaryFolder } from '../../helpers/temporary-folder.js';

const processes: NotesProcess[] = [];

function makeProcess(options: NotesProcessOptions = {}): NotesProcess {
  const sanitising = new NotesProcess(options);
  processes.push(sanitising);
  return sanitising;
}

/** A process that dies of the text "die", never answers "hang", and gives everything else back. */
async function brittleProgram(): Promise<URL> {
  const path = join(await useTemporaryFolder(), 'brittle.mjs');
  await writeFile(
    path,
    `process.on('message', (text) => {
       if (text === 'die') throw new TypeError('it died');
       if (text === 'hang') for (;;);
       process.send(text.toUpperCase());
     });`,
  );
  return pathToFileURL(path);
}

const isUnavailable = { kind: 'dependency_unavailable', code: 'notes_unavailable', retryAfterMs: 1_000 };

afterEach(async () => {
  await Promise.all(processes.splice(0).map((sanitising) => sanitising.close()));
  await removeTemporaryFolders();
});

describe('the process that sanitises notes', () => {
  it('begins with the first text that needs it, and ends when there has been none for a while', async () => {
    const sanitising = makeProcess({ idleMs: 50 });
    const sanitizer = new NotesSanitizer(sanitising);
    await expect(sanitizer.sanitize('no markup')).resolves.toBe('no markup');
    await expect(sanitizer.sanitize('<'.repeat(40_000))).rejects.toMatchObject({
      details: [{ code: 'too_long' }],
    });
    expect(sanitising.isRunning).toBe(false);
    await expect(sanitizer.sanitize('<b onclick=x>a</b>')).resolves.toBe('<b>a</b>');
    expect(sanitising.isRunning).toBe(true);
    await waitUntil('the process has ended', () => !sanitising.isRunning, { timeoutMs: 10_000 });
    await expect(sanitizer.sanitize('<i>again</i>')).resolves.toBe('<i>again</i>');
  });

  it('takes no other text along when it dies of one, and begins anew', async () => {
    const sanitising = makeProcess({ program: await brittleProgram() });
    const results = await Promise.allSettled(
      ['a', 'die', 'b', 'die', 'c'].map((text) => sanitising.clean(text)),
    );
    expect(results).toEqual([
      { status: 'fulfilled', value: 'A' },
      { status: 'rejected', reason: expect.objectContaining(isUnavailable) },
      { status: 'fulfilled', value: 'B' },
      { status: 'rejected', reason: expect.objectContaining(isUnavailable) },
      { status: 'fulfilled', value: 'C' },
    ]);
  });

  it('is ended when it takes too long, and who waited behind that gets another one', async () => {
    const clock = new ManualClock();
    const sanitising = makeProcess({ program: await brittleProgram(), timeoutMs: 1_000, clock });
    const hanging = sanitising.clean('hang');
    const waiting = sanitising.clean('a');
    clock.advance(1_000);
    await expect(hanging).rejects.toMatchObject(isUnavailable);
    await expect(waiting).resolves.toBe('A');
  });

  it('tells a text to come back whose turn does not come in time', async () => {
    const clock = new ManualClock();
    const sanitising = makeProcess({ program: await brittleProgram(), timeoutMs: 1_000, clock });
    const outcomes = Promise.allSettled(['hang', 'hang', 'a'].map((text) => sanitising.clean(text)));
    clock.advance(2_000);
    expect(await outcomes).toMatchObject([
      { reason: isUnavailable },
      { reason: isUnavailable },
      { reason: { kind: 'overloaded' } },
    ]);
  });

  it('is told of no more texts than may wait', async () => {
    const sanitising = makeProcess({ program: await brittleProgram(), maxWaiting: 2 });
    const results = await Promise.allSettled(['a', 'b', 'c', 'd'].map((text) => sanitising.clean(text)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected']);
    expect(results[3]).toMatchObject({ reason: { kind: 'overloaded' } });
  });

  it('fails all who wait when it is closed, and takes nothing more', async () => {
    const sanitising = makeProcess({ program: await brittleProgram() });
    const waiting = Promise.allSettled([sanitising.clean('hang'), sanitising.clean('a')]);
    await sanitising.close();
    for (const result of await waiting) expect(result).toMatchObject({ reason: isUnavailable });
    await expect(sanitising.clean('a')).rejects.toMatchObject(isUnavailable);
    expect(sanitising.isRunning).toBe(false);
  });

  it('keeps no process from ending once it has nothing to do', async () => {
    const script = join(await useTemporaryFolder(), 'once.mts');
    const module = new URL('../../../store-service/services/notes-process.ts', import.meta.url).href;
    await writeFile(
      script,
      `import { NotesProcess } from ${JSON.stringify(module)};
       process.stdout.write(await new NotesProcess().clean('<b>a<script>'));`,
    );
    const run = promisify(execFile)(process.execPath, ['--import', 'tsx', script], { timeout: 25_000 });
    await expect(run).resolves.toMatchObject({ stdout: '<b>a</b>' });
  });

  it('ends when the process that began it is killed', async () => {
    const folder = await useTemporaryFolder();
    const [script, program] = [join(folder, 'killed.mts'), join(folder, 'tell-id.mjs')];
    await writeFile(program, "process.on('message', () => process.send(String(process.pid)));");
    const module = new URL('../../../store-service/services/notes-process.ts', import.meta.url).href;
    await writeFile(
      script,
      `import { NotesProcess } from ${JSON.stringify(module)};
       const sanitising = new NotesProcess({ program: new URL(${JSON.stringify(pathToFileURL(program).href)}) });
       process.stdout.write(await sanitising.clean('a'));
       process.kill(process.pid, 'SIGKILL');`,
    );
    const run = promisify(execFile)(process.execPath, ['--import', 'tsx', script], { timeout: 25_000 });
    const killed = (await run.catch((error: unknown) => error)) as { signal: string; stdout: string };
    expect(killed.signal).toBe('SIGKILL');
    const pid = Number(killed.stdout);
    expect(pid).toBeGreaterThan(0);
    await waitUntil('its end', () => !isAlive(pid), { timeoutMs: 10_000 });
  });
});
