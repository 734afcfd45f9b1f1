import { afterEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { NotesSanitizer } from '../../../store-service/services/notes-sanitizer.js';
import { NotesThread, type NotesThreadOptions } from '../../../store-service/services/notes-thread.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { ManualClock } from '../../helpers/manual-clock.js';
import { removeTemporaryFolders, useTemporaryFolder } from '../../helpers/temporary-folder.js';

const threads: NotesThread[] = [];

function makeThread(options: NotesThreadOptions = {}): NotesThread {
  const thread = new NotesThread(options);
  threads.push(thread);
  return thread;
}

/** A thread that dies of the text "die", never answers "hang", and gives everything else back. */
async function brittleProgram(): Promise<URL> {
  const path = join(await useTemporaryFolder(), 'brittle.mjs');
  await writeFile(
    path,
    `import { parentPort } from 'node:worker_threads';
     parentPort.on('message', (text) => {
       if (text === 'die') throw new TypeError('it died');
       if (text === 'hang') for (;;);
       parentPort.postMessage(text.toUpperCase());
     });`,
  );
  return pathToFileURL(path);
}

const isUnavailable = { kind: 'dependency_unavailable', code: 'notes_unavailable', retryAfterMs: 1_000 };

afterEach(async () => {
  await Promise.all(threads.splice(0).map((thread) => thread.close()));
  await removeTemporaryFolders();
});

describe('the thread that sanitises notes', () => {
  it('begins with the first text that needs it, and ends when there has been none for a while', async () => {
    const thread = makeThread({ idleMs: 50 });
    const sanitizer = new NotesSanitizer(thread);
    await expect(sanitizer.sanitize('no markup')).resolves.toBe('no markup');
    await expect(sanitizer.sanitize('<'.repeat(40_000))).rejects.toMatchObject({
      details: [{ code: 'too_long' }],
    });
    expect(thread.isRunning).toBe(false);
    await expect(sanitizer.sanitize('<b onclick=x>a</b>')).resolves.toBe('<b>a</b>');
    expect(thread.isRunning).toBe(true);
    await waitUntil('the thread has ended', () => !thread.isRunning, { timeoutMs: 10_000 });
    await expect(sanitizer.sanitize('<i>again</i>')).resolves.toBe('<i>again</i>');
  });

  it('takes no other text along when it dies of one, and begins anew', async () => {
    const thread = makeThread({ program: await brittleProgram() });
    const results = await Promise.allSettled(['a', 'die', 'b', 'die', 'c'].map((text) => thread.clean(text)));
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
    const thread = makeThread({ program: await brittleProgram(), timeoutMs: 1_000, clock });
    const hanging = thread.clean('hang');
    const waiting = thread.clean('a');
    clock.advance(1_000);
    await expect(hanging).rejects.toMatchObject(isUnavailable);
    await expect(waiting).resolves.toBe('A');
  });

  it('tells a text to come back whose turn does not come in time', async () => {
    const clock = new ManualClock();
    const thread = makeThread({ program: await brittleProgram(), timeoutMs: 1_000, clock });
    const outcomes = Promise.allSettled(['hang', 'hang', 'a'].map((text) => thread.clean(text)));
    clock.advance(2_000);
    expect(await outcomes).toMatchObject([
      { reason: isUnavailable },
      { reason: isUnavailable },
      { reason: { kind: 'overloaded' } },
    ]);
  });

  it('is told of no more texts than may wait', async () => {
    const thread = makeThread({ program: await brittleProgram(), maxWaiting: 2 });
    const results = await Promise.allSettled(['a', 'b', 'c', 'd'].map((text) => thread.clean(text)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected']);
    expect(results[3]).toMatchObject({ reason: { kind: 'overloaded' } });
  });

  it('fails all who wait when it is closed, and takes nothing more', async () => {
    const thread = makeThread({ program: await brittleProgram() });
    const waiting = Promise.allSettled([thread.clean('hang'), thread.clean('a')]);
    await thread.close();
    for (const result of await waiting) expect(result).toMatchObject({ reason: isUnavailable });
    await expect(thread.clean('a')).rejects.toMatchObject(isUnavailable);
    expect(thread.isRunning).toBe(false);
  });

  it('keeps no process from ending once it has nothing to do', async () => {
    const script = join(await useTemporaryFolder(), 'once.mts');
    const module = new URL('../../../store-service/services/notes-thread.ts', import.meta.url).href;
    await writeFile(
      script,
      `import { NotesThread } from ${JSON.stringify(module)};
       process.stdout.write(await new NotesThread().clean('<b>a<script>'));`,
    );
    const run = promisify(execFile)(process.execPath, ['--import', 'tsx', script], { timeout: 25_000 });
    await expect(run).resolves.toMatchObject({ stdout: '<b>a</b>' });
  });
});
