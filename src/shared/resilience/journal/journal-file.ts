import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makeFolder } from '../../files/make-folder.ts';
import { CommitMark, readCommitMark, syncFolder } from './commit-mark.ts';
import { JournalOpenError } from './journal-open-error.ts';
import type { StoreOptions } from './journal-protocol.js';
import { applicationId, migrateJournal, schemaVersion } from './journal-schema.ts';
import { createPrivate, makePrivate } from './private-files.ts';

/** Result codes of SQLite (https://sqlite.org/rescode.html) that say what is wrong; extended ones end in these. */
const busyCode = 5;
const inputOutputCode = 10;
const corruptCode = 11;
const fullCode = 13;
const cannotOpenCode = 14;
const notADatabaseCode = 26;

const pageBytes = 4096;

/**
 * Why a write-ahead log with synchronous=FULL (https://sqlite.org/pragma.html#pragma_synchronous,
 * https://sqlite.org/wal.html):
 * - In WAL mode FULL syncs the log after every commit, so a commit that returned survives a power cut. In DELETE mode
 *   FULL protects from corruption only: the commit is the unlinking of the rollback journal, whose directory just EXTRA
 *   syncs, and "a single transaction that commits right before a power loss might get rolled back".
 * - One fsync a commit against three or four: measured 0.35 ms against 1.04 ms (DELETE, EXTRA) in the median.
 * - Exclusive locking set before the first access keeps the index of the log in the heap, not in shared memory, and
 *   holds the file lock until we close or die: there is no stale lock to clear after a crash. The lock is POSIX: were
 *   anybody in this process to open and close the file, the lock would be gone. Nothing else may touch it.
 * - fullfsync: fsync on macOS does not reach the platters without it.
 */
const settings = `
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA fullfsync = ON;
  PRAGMA checkpoint_fullfsync = ON;
  PRAGMA journal_size_limit = 8388608;
  PRAGMA trusted_schema = OFF;
`;

/** A journal's database, locked for us and found whole. */
export interface JournalFile {
  readonly database: DatabaseSync;
  readonly mark: CommitMark;
}

/** @throws {JournalOpenError} if it is in use, damaged, or of a newer version */
export function openJournalFile({ folder, limits }: StoreOptions): JournalFile {
  const path = join(folder, 'journal.sqlite');
  let database: DatabaseSync | undefined;
  try {
    makeFolder(folder, 0o700);
    makePrivate(['', '-wal', '-shm'].map((suffix) => `${path}${suffix}`));
    inspect(folder, path);
    // SQLite gives its log the mode of the database
    if (!existsSync(path)) createPrivate(path);
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec(settings);
    migrateJournal(database, verify(database, folder));
    rewriteLog(database);
    database.exec(`PRAGMA max_page_count = ${Math.ceil(limits.maxFileBytes / pageBytes)}`);
    const mark = new CommitMark(folder);
    syncFolder(folder);
    syncFolder(dirname(resolve(folder)));
    return { database, mark };
  } catch (error) {
    database?.close();
    throw error instanceof JournalOpenError ? error : explain(folder, error);
  }
}

/** Whether the disk, or the bound of the file, has no room; the database itself is fine. */
export function isFull(error: unknown): boolean {
  return resultCode(error) === fullCode;
}

/**
 * Looks at the file without the right to change it: a connection that may write would, on closing, fold what is left of
 * a damaged log into the database and delete the rest.
 */
function inspect(folder: string, path: string): void {
  if (!existsSync(path)) {
    if (readCommitMark(folder) > 0) throw corrupted('The database file is missing');
    return;
  }
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: 0 });
    verify(database, folder);
  } catch (error) {
    // a reader needs shared memory in the folder: on a full disk only the connection that writes can look
    if (!isStorageTrouble(error)) throw error;
  } finally {
    database?.close();
  }
}

/** @returns the version of the schema; 0 for an empty file */
function verify(database: DatabaseSync, folder: string): number {
  const version = readNumber(database, 'PRAGMA user_version', 'user_version');
  const isEmpty = readNumber(database, 'SELECT count(*) AS objects FROM sqlite_schema', 'objects') === 0;
  if (!isEmpty && readNumber(database, 'PRAGMA application_id', 'application_id') !== applicationId) {
    throw new JournalOpenError('journal_unusable', 'The file is a database, but no write journal');
  }
  if (version > schemaVersion) {
    throw new JournalOpenError(
      'journal_too_new',
      `The write journal has version ${version} and this release knows ${schemaVersion}: start the newer release`,
    );
  }
  const finding = String(database.prepare('PRAGMA integrity_check(1)').get()?.['integrity_check']);
  if (finding !== 'ok') throw corrupted(`SQLite finds: ${finding}`);
  const acknowledged = readCommitMark(folder);
  const commits = isEmpty ? 0 : readNumber(database, 'SELECT commits FROM ledger', 'commits');
  if (commits < acknowledged) {
    throw corrupted(`${acknowledged} commits were acknowledged, and only ${commits} are there`);
  }
  return version;
}

/**
 * After an fsync that failed the kernel takes the lost pages for clean, and a later fsync of the same log succeeds without
 * them. So the log's content is written anew into the database file, and the log begins from nothing.
 */
function rewriteLog(database: DatabaseSync): void {
  try {
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } catch (error) {
    // no room is no harm: the log stays, and what it holds can be read and applied
    if (!isFull(error)) throw error;
  }
}

function readNumber(database: DatabaseSync, sql: string, column: string): number {
  return Number(database.prepare(sql).get()?.[column]);
}

function explain(folder: string, error: unknown): JournalOpenError {
  const code = resultCode(error);
  const text = error instanceof Error ? error.message : String(error);
  if (code === busyCode) {
    return new JournalOpenError('journal_in_use', `Another process uses the write journal in ${folder}`, {
      cause: error,
    });
  }
  if (code === corruptCode || code === notADatabaseCode) return corrupted(`SQLite finds: ${text}`);
  return new JournalOpenError(
    'journal_unusable',
    `The write journal in ${folder} cannot be opened: ${text}`,
    {
      cause: error,
    },
  );
}

function corrupted(finding: string): JournalOpenError {
  return new JournalOpenError(
    'journal_corrupted',
    `The write journal is damaged and may have lost accepted writes. ${finding}. Nothing was changed: ` +
      'keep the folder for examination, and give the service an empty one to start without these writes',
  );
}

function isStorageTrouble(error: unknown): boolean {
  const code = resultCode(error);
  return code === fullCode || code === inputOutputCode || code === cannotOpenCode;
}

/** The primary result code: the low byte of an extended one. */
function resultCode(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return undefined;
  return Number(error.errcode) & 0xff;
}
