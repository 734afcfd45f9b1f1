import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../shared/clock.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { GroupCommit } from '../../../shared/resilience/journal/group-commit.js';
import { defaultLimits } from '../../../shared/resilience/journal/journal-options.js';
import type { Batch, BatchReply } from '../../../shared/resilience/journal/journal-protocol.js';
import { serveJournal } from '../../../shared/resilience/journal/journal-server.js';
import { JournalThread } from '../../../shared/resilience/journal/journal-thread.js';
import { WriteJournal } from '../../../shared/resilience/write-journal.js';
import {
  idsOf,
  InlineEngine,
  journalOptions,
  JournalWorkshop,
  sampleEntry,
  testSeal,
} from '../../helpers/journal-samples.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const workshop = new JournalWorkshop();

afterEach(() => workshop.cleanUp());

describe('closing', () => {
  it('stores what was accepted for storing, and refuses what comes later', async () => {
    const folder = await workshop.folder();
    const journal = await workshop.openThreaded(journalOptions(folder));
    const appends = Array.from({ length: 300 }, (_, index) => journal.append(sampleEntry(`e${index}`)));
    const closing = journal.close();
    await expect(journal.append(sampleEntry('late'))).rejects.toMatchObject({ code: 'journal_unavailable' });
    await Promise.all([...appends, closing, journal.close()]);
    const again = await workshop.openInline(journalOptions(folder));
    await expect(again.stats()).resolves.toMatchObject({ queued: 300 });
    await expect(again.get('late')).resolves.toBeUndefined();
  });

  it('waits for no longer than told, and fails what is left', async () => {
    const clock = new ManualClock();
    const seal = { ...testSeal(), seal: () => new Promise<string>(() => undefined) };
    const journal = await workshop.openThreaded(journalOptions(await workshop.folder(), { clock, seal }));
    void journal.append(sampleEntry('a'));
    const closing = journal.close(100);
    clock.advance(100);
    await closing;
    await expect(journal.stats()).rejects.toMatchObject({ metadata: { reason: 'stopped' } });
  });
});

describe('a disk that hangs', () => {
  it('is left alone a second after the grace time: closing does not wait for it any longer', async () => {
    const clock = new ManualClock();
    const never = (): Promise<never> => new Promise(() => undefined);
    const journal = await WriteJournal.open(journalOptions(await workshop.folder(), { clock }), (options) => {
      const inline = new InlineEngine(options);
      return Promise.resolve({
        run: (batch) => (batch.operations.length === 0 ? inline.run(batch) : never()),
        close: never,
        terminate: never,
      });
    });
    void journal.append(sampleEntry('a'));
    const closing = journal.close(100);
    clock.advance(100);
    await waitUntil('the end of the grace time', () => clock.pending > 0, { timeoutMs: 5_000 });
    clock.advance(1_000);
    await expect(closing).resolves.toBeUndefined();
  });

  it('does not keep the process from ending, although it keeps the thread', async () => {
    const folder = await workshop.folder();
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const script = fileURLToPath(new URL('../../helpers/hanging-child.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', script, folder, pipe]);
    const output: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text: Buffer) => output.push(text.toString()));
    }
    const watchdog = setTimeout(() => child.kill('SIGTERM'), 20_000);
    const [, signal] = (await once(child, 'close')) as [number | null, string | null];
    clearTimeout(watchdog);
    expect(output.join('')).toBe(
      'closed\nSomething keeps the process although everything was closed: it is killed\n',
    );
    expect(signal).toBe('SIGKILL');
  });
});

describe('a thread that dies', () => {
  it('is started anew a second after its start, with everything that was stored', async () => {
    const clock = new ManualClock();
    const options = { folder: await workshop.folder(), limits: defaultLimits };
    const thread = await JournalThread.start(options, clock);
    const get: Batch = { nowMs: 0, disowned: [], operations: [{ type: 'get', id: 'a' }] };
    const append: Batch = {
      ...get,
      operations: [
        {
          type: 'append',
          id: 'a',
          stream: 's',
          summary: '',
          founds: undefined,
          claim: undefined,
          sealed: 'sealed',
        },
      ],
    };
    await thread.run(append);
    // no batch at all is a bug, as any that kills the thread would be
    await expect(thread.run(undefined as unknown as Batch)).rejects.toThrow('died');
    clock.advance(999);
    await expect(thread.run(get)).rejects.toThrow('not running');
    clock.advance(1);
    await expect(thread.run(get)).resolves.toMatchObject({
      answers: [{ ok: true, value: { id: 'a' } }],
      streams: { touched: 'all', queued: ['s'] },
    });
    await thread.close();
    await expect(thread.run(get)).rejects.toThrow('not running');
    await thread.terminate();
  });

  it('that leaves an operation without an answer fails it', async () => {
    const reply: BatchReply = {
      answers: [],
      didDisown: true,
      lastSequence: 0,
      streams: { touched: 'all', queued: [], held: [] },
    };
    const commits = new GroupCommit({
      engine: {
        run: () => Promise.resolve(reply),
        close: () => Promise.resolve(),
        terminate: () => Promise.resolve(),
      },
      clock: systemClock,
      onStreams: () => undefined,
    });
    await expect(commits.submit({ type: 'get', id: 'a' })).resolves.toMatchObject({
      ok: false,
      refusal: { reason: 'unavailable', failure: 'stopped' },
    });
  });

  it('fails what it was at, takes it back after its restart, and keeps what was acknowledged', async () => {
    const folder = await workshop.folder();
    const engines: InlineEngine[] = [];
    let isDying = false;
    const journal = await WriteJournal.open(journalOptions(folder), async (options) => {
      let engine = new InlineEngine(options);
      engines.push(engine);
      return Promise.resolve({
        // commits, and dies before it can say so: the worst moment
        run: async (batch) => {
          const reply = await engine.run(batch);
          if (!isDying) return reply;
          isDying = false;
          await engine.close();
          engine = new InlineEngine(options);
          engines.push(engine);
          throw new Error('died');
        },
        close: () => engine.close(),
        terminate: () => engine.close(),
      });
    });
    await journal.append(sampleEntry('safe'));
    isDying = true;
    const outcomes = await Promise.allSettled([
      journal.append(sampleEntry('ghost')),
      journal.append(sampleEntry('safe')),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(journal.stats()).resolves.toMatchObject({ queued: 1 });
    expect(idsOf(await journal.next(10))).toEqual(['safe']);
    await journal.append(sampleEntry('ghost'));
    expect(idsOf(await journal.next(10))).toEqual(['safe', 'ghost']);
    await journal.close();
    expect(engines).toHaveLength(2);
  });
});

describe('the server of the thread', () => {
  it('says that it is ready, answers batches, and closes the file', async () => {
    const folder = await workshop.folder();
    const { port1, port2 } = new MessageChannel();
    serveJournal(port2, { folder, limits: defaultLimits });
    await expect(once(port1, 'message')).resolves.toEqual([{ type: 'ready' }]);
    port1.postMessage({ type: 'batch', batch: { nowMs: 0, disowned: [], operations: [{ type: 'stats' }] } });
    await expect(once(port1, 'message')).resolves.toMatchObject([
      { type: 'reply', reply: { answers: [{ ok: true, value: { queued: 0 } }] } },
    ]);
    port1.postMessage({ type: 'close' });
    await once(port1, 'close');
    const journal = await workshop.openInline(journalOptions(folder));
    await journal.append(sampleEntry('a'));
  });

  it('says why it cannot open', async () => {
    const folder = await workshop.folder();
    await writeFile(
      join(folder, 'journal.sqlite'),
      'this is no database, and long enough to be read as one'.repeat(100),
    );
    const { port1, port2 } = new MessageChannel();
    serveJournal(port2, { folder, limits: defaultLimits });
    await expect(once(port1, 'message')).resolves.toMatchObject([
      { type: 'open_failed', code: 'journal_corrupted' },
    ]);
  });
});
