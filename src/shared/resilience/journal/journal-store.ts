import { isWrite } from './is-write.ts';
import { isFull, type JournalFile, openJournalFile } from './journal-file.ts';
import type {
  Answer,
  Batch,
  BatchReply,
  Operation,
  OperationOf,
  QueuedStreams,
  Refusal,
  StoreOptions,
  WriteType,
} from './journal-protocol.js';
import { JournalReads } from './journal-reads.ts';
import { JournalWrites } from './journal-writes.ts';

/** A database that broke is opened again at most this often: opening checks the whole file. */
const reopenIntervalMs = 1_000;

interface OpenStore extends JournalFile {
  readonly reads: JournalReads;
  readonly writes: JournalWrites;
}

type Unavailable = Extract<Refusal, { reason: 'unavailable' }>;

type Attempt<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Unavailable };

/**
 * The journal's database. Every call is synchronous and blocks on the disk, so in the service it lives in a thread of
 * its own.
 */
export class JournalStore {
  readonly #options: StoreOptions;
  #open: OpenStore | undefined;
  #lastSequence: number;
  #triedToOpenMs = Number.NEGATIVE_INFINITY;
  #isFresh = true;

  /** @throws {JournalOpenError} */
  constructor(options: StoreOptions) {
    this.#options = options;
    this.#open = openStore(options);
    this.#lastSequence = this.#open.reads.lastSequence();
  }

  /**
   * Carries out a batch: its writes in one transaction with one fsync, then its reads, which so see what is
   * committed and nothing else. Never throws: what the storage refuses is an answer.
   */
  run(batch: Batch): BatchReply {
    const answers = new Map<Operation, Answer>();
    const writes = batch.operations.filter(isWrite);
    const didDisown = this.#write(batch, writes, answers);
    const hiddenAfter = didDisown ? undefined : batch.disowned[0]?.afterSequence;
    for (const operation of batch.operations) {
      if (isWrite(operation)) continue;
      answers.set(
        operation,
        this.#attempt(({ reads }) => reads.answer(operation, batch.nowMs, hiddenAfter)),
      );
    }
    return {
      answers: batch.operations.flatMap((operation) => answers.get(operation) ?? []),
      didDisown,
      lastSequence: this.#lastSequence,
      streams: this.#takeStreams(),
    };
  }

  close(): void {
    const open = this.#open;
    this.#open = undefined;
    open?.mark.close();
    open?.database.close();
  }

  /** When there is no room for new entries, the marks of a drain that makes room still get their chance. */
  #write(batch: Batch, writes: readonly OperationOf<WriteType>[], answers: Map<Operation, Answer>): boolean {
    if (writes.length === 0 && batch.disowned.length === 0) return true;
    const failure = this.#commit(batch, writes, answers);
    if (!failure) return true;
    const others = writes.filter(({ type }) => type !== 'append');
    if (failure.failure !== 'disk_full' || others.length === writes.length || others.length === 0)
      return false;
    return this.#commit(batch, others, answers) === undefined;
  }

  /** @returns why nothing of it was stored, which then is every write's answer */
  #commit(
    batch: Batch,
    writes: readonly OperationOf<WriteType>[],
    answers: Map<Operation, Answer>,
  ): Unavailable | undefined {
    const committed = this.#attempt((store) => {
      const { database, mark } = store;
      database.exec('BEGIN IMMEDIATE');
      for (const append of batch.disowned) store.writes.disown(append);
      for (const write of writes) answers.set(write, store.writes.carryOut(write, batch.nowMs));
      const commits = store.writes.countCommit();
      const lastSequence = store.reads.lastSequence();
      database.exec('COMMIT');
      mark.write(commits);
      this.#lastSequence = lastSequence;
      return undefined;
    });
    if (committed.ok) return undefined;
    for (const write of writes) answers.set(write, committed);
    return committed.refusal;
  }

  /** Runs `work` on the open database. Any failure but lack of room closes it: only opening tells what is stored. */
  #attempt<T>(work: (store: OpenStore) => T): Attempt<T> {
    try {
      this.#open ??= this.#reopen();
      return { ok: true, value: work(this.#open) };
    } catch (error) {
      const isOutOfRoom = isFull(error);
      if (isOutOfRoom && this.#open) rollBack(this.#open);
      else this.close();
      const detail = error instanceof Error ? error.message : String(error);
      return {
        ok: false,
        refusal: { reason: 'unavailable', failure: isOutOfRoom ? 'disk_full' : 'io_error', detail },
      };
    }
  }

  #reopen(): OpenStore {
    const nowMs = performance.now();
    if (nowMs - this.#triedToOpenMs < reopenIntervalMs)
      throw new Error('The journal is closed after an error');
    this.#triedToOpenMs = nowMs;
    const store = openStore(this.#options);
    this.#isFresh = true;
    return store;
  }

  #takeStreams(): QueuedStreams {
    const streams = this.#attempt(({ reads, writes }) => {
      const touched = writes.takeTouched();
      const result = this.#isFresh ? reads.allQueuedStreams() : reads.queuedStreamsAmong(touched);
      this.#isFresh = false;
      return result;
    });
    return streams.ok ? streams.value : { touched: [], queued: [], held: [] };
  }
}

function openStore(options: StoreOptions): OpenStore {
  const file = openJournalFile(options);
  const reads = new JournalReads(file.database, options.limits);
  return { ...file, reads, writes: new JournalWrites(file.database, reads) };
}

/** SQLite rolls back by itself after some errors. */
function rollBack({ database }: OpenStore): void {
  if (database.isTransaction) database.exec('ROLLBACK');
}
