import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import { type EntryRow, toEntry } from './entry-row.ts';
import type { CommitPosition, EntryState } from './journal-entry.js';
import type {
  Answer,
  DisownedAppend,
  OperationOf,
  Refusal,
  SealedWrite,
  WriteType,
} from './journal-protocol.js';
import type { JournalReads } from './journal-reads.ts';
import { prepareWrites, type WriteStatements } from './write-statements.ts';

/** What an entry takes beside its texts, roughly: numbers, and its slots in the indexes. */
const entryOverheadBytes = 256;

/** Changes of the journal's database, carried out inside the transaction of a batch. */
export class JournalWrites {
  readonly #reads: JournalReads;
  readonly #sql: WriteStatements;
  #touched = new Set<string>();

  constructor(database: DatabaseSync, reads: JournalReads) {
    this.#reads = reads;
    this.#sql = prepareWrites(database);
  }

  /** Streams, and names that entries found under, whose queues may have changed since this was asked last. */
  takeTouched(): string[] {
    const touched = [...this.#touched];
    this.#touched = new Set();
    return touched;
  }

  disown({ id, afterSequence }: DisownedAppend): void {
    const row = this.#sql.disown.get(id, afterSequence);
    if (row) this.#touch(row);
  }

  /** @returns how many commits there will be with this one */
  countCommit(): number {
    return Number(this.#sql.countCommit.get()?.['commits']);
  }

  carryOut(write: OperationOf<WriteType>, nowMs: number): Answer {
    switch (write.type) {
      case 'append':
        return this.#append(write, nowMs);
      case 'retain':
        return this.#keep(write, nowMs);
      case 'markApplied':
        return this.#change(write.id, ['queued'], () => {
          const { timeline = null, lsn = null } = write.position ?? {};
          this.#sql.apply.run({ id: write.id, now: nowMs, outcome: write.outcomeJson, timeline, lsn });
        });
      case 'markRefused':
        return this.#change(write.id, ['queued'], () => {
          this.#sql.settle.run({
            id: write.id,
            state: 'refused',
            now: nowMs,
            result: write.errorJson,
          });
        });
      case 'park':
        return this.#change(write.id, ['queued'], (row) => {
          this.#sql.settle.run({ id: write.id, state: 'parked', now: nowMs, result: write.reason });
          if (row['founds'] !== null) this.#parkBehind(write.id, String(row['stream']), nowMs);
        });
      case 'recordAttempt':
        return this.#change(write.id, ['queued'], () => this.#sql.countAttempt.get(write.id)?.['attempts']);
      case 'requeue':
        return this.#requeueParked(write.id, nowMs);
      case 'drop':
        return this.#change(write.id, ['queued', 'parked'], () => {
          this.#sql.settle.run({
            id: write.id,
            state: 'refused',
            now: nowMs,
            result: write.errorJson,
          });
          this.#requeueBehind(write.id, nowMs);
        });
      case 'confirm':
        return done(this.#confirmUpTo(write.upTo));
      case 'redrive':
        return done(this.#redriveAll(write.ids, nowMs));
      case 'forget':
        return done(Number(this.#sql.forget.run(write.settledBeforeMs, write.limit).changes));
    }
  }

  /** Looking first is no race here: the file is ours alone, and one transaction holds the look and the insert. */
  #append({ type: _, ...write }: OperationOf<'append'>, nowMs: number): Answer {
    const taken = this.#findTaken(write);
    if (taken) {
      // from now on somebody may ask for it
      if (taken.reason === 'claimed') this.#sql.show.run(taken.id);
      return refused(taken);
    }
    const holder = this.#reads.findHolder(write.stream);
    if (holder !== undefined) return refused({ reason: 'held', id: holder });
    const bytes = bytesOf(write);
    const limit = this.#reads.findLimit(bytes, nowMs);
    if (limit) return refused({ reason: 'full', limit });
    const row = this.#sql.insert.get({
      ...columnsOf(write),
      bytes,
      now: nowMs,
    }) as unknown as EntryRow;
    this.#touch({ stream: write.stream, founds: write.founds ?? null });
    return done(toEntry(row));
  }

  /** What is retained must leave room for what has nowhere else to go. */
  #keep({ type: _, outcomeJson, position, ...write }: OperationOf<'retain'>, nowMs: number): Answer {
    const taken = this.#findTaken(write);
    if (taken) return refused(taken);
    const bytes = bytesOf(write);
    const limit = this.#reads.findLimitForRetained(bytes);
    if (limit) return refused({ reason: 'full', limit });
    this.#sql.retain.run({
      ...columnsOf(write),
      bytes,
      now: nowMs,
      outcome: outcomeJson,
      ...position,
    });
    return done(undefined);
  }

  #findTaken({ id, claim }: SealedWrite): Refusal | undefined {
    if (this.#sql.locate.get(id)) return { reason: 'duplicate' };
    const claimant = claim && this.#sql.claimant.get(claim.key);
    if (!claimant) return undefined;
    const isSame = claimant['fingerprint'] === claim.fingerprint;
    return { reason: 'claimed', id: String(claimant['id']), isSame };
  }

  #confirmUpTo({ timeline, lsn }: CommitPosition): number {
    const released = this.#sql.release.run(timeline, lsn).changes;
    return Number(released) + Number(this.#sql.confirm.run(timeline, lsn).changes);
  }

  #redriveAll(ids: readonly string[], nowMs: number): number {
    const streams = ids.flatMap((id) => this.#redrive(id, nowMs) ?? []);
    for (const stream of new Set(streams)) this.#arrange(stream);
    return streams.length;
  }

  /** @returns the stream of the entry, if it was redriven */
  #redrive(id: string, nowMs: number): string | undefined {
    const row = this.#sql.locate.get(id);
    if (row?.['state'] !== 'applied' || row['isHeld'] !== 1) return undefined;
    this.#sql.requeue.run(nowMs, id);
    this.#touch(row);
    const stream = String(row['stream']);
    const holder = this.#reads.findHolder(stream);
    if (holder !== undefined) this.#parkBehind(holder, stream, nowMs);
    return stream;
  }

  #requeueParked(id: string, nowMs: number): Answer {
    const holder = this.#sql.locate.get(id)?.['waits_for'];
    if (typeof holder === 'string') return refused({ reason: 'held', id: holder });
    return this.#change(id, ['parked'], (row) => {
      this.#sql.requeue.run(nowMs, id);
      this.#requeueBehind(id, nowMs);
      this.#arrange(String(row['stream']));
    });
  }

  /**
   * Has queued entries of a stream swap places, if need be, so that those that were made come first, in the order of their
   * versions: one may have been kept long after it was made, or parked while later ones were made.
   */
  #arrange(stream: string): void {
    const from = this.#sql.queuedInOrder.all(stream).map(({ sequence }) => Number(sequence));
    const moves = from
      .toSorted((a, b) => a - b)
      .map((to, index) => ({ from: Number(from[index]), to }))
      .filter((move) => move.from !== move.to);
    // by way of places that nobody has
    for (const move of moves) this.#sql.move.run({ from: move.from, to: -move.to });
    for (const { to } of moves) this.#sql.move.run({ from: -to, to });
  }

  /** What cannot be without the founder of its stream waits with it for somebody to look. */
  #parkBehind(id: string, stream: string, now: number): void {
    const reason = `Waits for ${id}, which makes what this one changes and is parked: requeue or drop that one`;
    this.#sql.parkFollowers.run({ id, stream, now, reason });
  }

  #requeueBehind(id: string, nowMs: number): void {
    for (const follower of this.#sql.followers.all(id)) this.#sql.requeue.run(nowMs, String(follower['id']));
  }

  #touch({ stream, founds }: Record<string, SQLOutputValue>): void {
    this.#touched.add(String(stream));
    if (founds !== null) this.#touched.add(String(founds));
  }

  #change(
    id: string,
    from: readonly EntryState[],
    change: (row: Record<string, SQLOutputValue>) => unknown,
  ): Answer {
    const row = this.#sql.locate.get(id);
    if (!row) return refused({ reason: 'missing' });
    const state = row['state'] as EntryState;
    if (!from.includes(state)) return refused({ reason: 'wrong_state', state });
    this.#touch(row);
    return done(change(row));
  }
}

function bytesOf({ id, stream, summary, sealed, founds, claim }: SealedWrite): number {
  const texts = [id, stream, summary, sealed, founds ?? '', claim?.key ?? '', claim?.fingerprint ?? ''];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), entryOverheadBytes);
}

function columnsOf({
  id,
  stream,
  summary,
  sealed,
  founds,
  claim,
}: SealedWrite): Record<string, string | null> {
  return {
    id,
    stream,
    summary,
    sealed,
    founds: founds ?? null,
    claim: claim?.key ?? null,
    fingerprint: claim?.fingerprint ?? null,
  };
}

function done(value: unknown): Answer {
  return { ok: true, value };
}

function refused(refusal: Refusal): Answer {
  return { ok: false, refusal };
}
