import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NewEntry, SealedEntry } from '../../shared/resilience/journal/journal-entry.js';
import type { JournalEngine, StoreOptions } from '../../shared/resilience/journal/journal-protocol.js';
import type { PayloadSeal, WriteJournalOptions } from '../../shared/resilience/journal/journal-options.js';
import { JournalStore } from '../../shared/resilience/journal/journal-store.js';
import { WriteJournal } from '../../shared/resilience/write-journal.js';
import { systemTimerClock } from '../../shared/timer-clock.js';

/** 32 bytes that every process of a test knows. */
const testKey = Buffer.alloc(32, 7);
const ivBytes = 12;
const tagBytes = 16;

/** AES-256-GCM under the test key. */
export function testSeal(): PayloadSeal {
  return {
    seal: (plaintext, context) => Promise.resolve(encrypt(plaintext, context)),
    open: (sealed, context) => Promise.resolve().then(() => decrypt(sealed, context)),
  };
}

function encrypt(plaintext: string, context: string): string {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', testKey, iv).setAAD(Buffer.from(context));
  const data = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), data]).toString('base64');
}

function decrypt(sealed: string, context: string): string {
  const bytes = Buffer.from(sealed, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', testKey, bytes.subarray(0, ivBytes))
    .setAAD(Buffer.from(context))
    .setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
  return Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]).toString(
    'utf8',
  );
}

/** The store in the thread of the caller: the same code as in the journal's thread, where coverage can see it. */
export class InlineEngine implements JournalEngine {
  readonly store: JournalStore;

  constructor(options: StoreOptions) {
    this.store = new JournalStore(options);
  }

  static readonly start = (options: StoreOptions): Promise<JournalEngine> =>
    Promise.resolve().then(() => new InlineEngine(options));

  run(...[batch]: Parameters<JournalEngine['run']>): ReturnType<JournalEngine['run']> {
    return Promise.resolve(this.store.run(batch));
  }

  close(): Promise<void> {
    this.store.close();
    return Promise.resolve();
  }

  terminate(): Promise<void> {
    return this.close();
  }
}

export function sampleEntry(id: string, stream = 'stream-1', payload = `payload of ${id}`): NewEntry {
  return { id, stream, summary: `summary of ${id}`, payload };
}

/** The creation of a store that failed too often. */
export function parkedEntry(id: string): SealedEntry {
  return {
    sequence: 1,
    id,
    stream: 'store-1',
    summary: JSON.stringify({ kind: 'store.create', acceptedBy: 'key:anna' }),
    acceptedAt: new Date(0),
    attempts: 0,
    bytes: 1,
    wasMade: false,
    state: 'parked',
    settledAt: new Date(0),
    reason: 'poison',
    sealedPayload: 'sealed',
  };
}

export function journalOptions(
  folder: string,
  overrides: Partial<WriteJournalOptions> = {},
): WriteJournalOptions {
  return { folder, seal: testSeal(), clock: systemTimerClock, ...overrides };
}

/** The first entry of a list that has one. */
export function firstOf<Entry>(entries: readonly Entry[]): Entry {
  const [first] = entries;
  if (first === undefined) throw new Error('There is no entry');
  return first;
}

export function idsOf(entries: readonly { readonly id: string }[]): string[] {
  return entries.map(({ id }) => id);
}

/** Folders and journals of a test file, all gone after `cleanUp`. */
export class JournalWorkshop {
  readonly #folders: string[] = [];
  readonly #journals: WriteJournal[] = [];

  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'write-journal-'));
    this.#folders.push(folder);
    return folder;
  }

  async openInline(options: WriteJournalOptions): Promise<WriteJournal> {
    return this.#keep(await WriteJournal.open(options, InlineEngine.start));
  }

  /** A journal that has accepted these, in their order. */
  async openWith(...entries: [id: string, stream?: string][]): Promise<WriteJournal> {
    const journal = await this.openInline(journalOptions(await this.folder()));
    for (const [id, stream] of entries) await journal.append(sampleEntry(id, stream));
    return journal;
  }

  async openThreaded(options: WriteJournalOptions): Promise<WriteJournal> {
    return this.#keep(await WriteJournal.open(options));
  }

  async cleanUp(): Promise<void> {
    await Promise.all(this.#journals.splice(0).map((journal) => journal.close()));
    await Promise.all(this.#folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
  }

  #keep(journal: WriteJournal): WriteJournal {
    this.#journals.push(journal);
    return journal;
  }
}
