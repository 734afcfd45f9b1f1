import type { DatabaseSync } from 'node:sqlite';

/** `jrnl`: tells our files from any other SQLite database. */
export const applicationId = 0x6a726e6c;

/** One script for each version of the schema, which it leads to from the one before. */
const migrations: readonly string[] = [
  `
  CREATE TABLE entry (
    sequence    INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    stream      TEXT NOT NULL,
    summary     TEXT NOT NULL,
    state       TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'applied', 'refused', 'parked')),
    sealed      TEXT,
    bytes       INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    accepted_ms INTEGER NOT NULL,
    queued_ms   INTEGER NOT NULL,
    settled_ms  INTEGER,
    result      TEXT,
    timeline    INTEGER,
    lsn         INTEGER,
    claim       TEXT UNIQUE,
    fingerprint TEXT,
    is_retained INTEGER NOT NULL DEFAULT 0,
    is_made     INTEGER NOT NULL DEFAULT 0,
    CHECK (state NOT IN ('queued', 'parked') OR sealed IS NOT NULL),
    CHECK ((state = 'queued') = (settled_ms IS NULL))
  ) STRICT;
  CREATE INDEX entry_state ON entry (state, sequence);
  CREATE INDEX entry_queued_stream ON entry (stream) WHERE state = 'queued';
  CREATE INDEX entry_queued_age ON entry (queued_ms) WHERE state = 'queued';
  CREATE INDEX entry_unconfirmed ON entry (timeline, lsn) WHERE state = 'applied' AND sealed IS NOT NULL;
  CREATE INDEX entry_settled ON entry (settled_ms) WHERE sealed IS NULL;

  -- What is held, kept by triggers so that no bound needs a scan, and how many transactions were committed.
  CREATE TABLE ledger (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    commits   INTEGER NOT NULL,
    entries   INTEGER NOT NULL CHECK (entries >= 0),
    bytes     INTEGER NOT NULL CHECK (bytes >= 0)
  ) STRICT;
  INSERT INTO ledger VALUES (1, 0, 0, 0);
  CREATE TRIGGER entry_held AFTER INSERT ON entry BEGIN
    UPDATE ledger SET entries = entries + 1, bytes = bytes + new.bytes;
  END;
  CREATE TRIGGER entry_released AFTER UPDATE OF sealed ON entry
    WHEN old.sealed IS NOT NULL AND new.sealed IS NULL BEGIN
    UPDATE ledger SET entries = entries - 1, bytes = bytes - old.bytes;
  END;
  CREATE TRIGGER entry_removed AFTER DELETE ON entry WHEN old.sealed IS NOT NULL BEGIN
    UPDATE ledger SET entries = entries - 1, bytes = bytes - old.bytes;
  END;
  `,
  `
  ALTER TABLE entry ADD COLUMN founds TEXT;
  ALTER TABLE entry ADD COLUMN waits_for TEXT;
  CREATE INDEX entry_founds ON entry (founds, sequence) WHERE state = 'queued' AND founds IS NOT NULL;
  CREATE INDEX entry_founder ON entry (stream, sequence) WHERE founds IS NOT NULL;
  CREATE INDEX entry_waiting ON entry (waits_for) WHERE waits_for IS NOT NULL;
  `,
];

export const schemaVersion = migrations.length;

/** Brings the schema to our version, step by step; each step happens whole or not at all. */
export function migrateJournal(database: DatabaseSync, fromVersion: number): void {
  migrations.slice(fromVersion).forEach((script, index) => {
    database.exec(`
      BEGIN;
      ${script}
      PRAGMA application_id = ${applicationId};
      PRAGMA user_version = ${fromVersion + index + 1};
      COMMIT;
    `);
  });
}
