import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { JournalDrainer } from '../../shared/resilience/journal-drainer.js';
import { WriteJournal } from '../../shared/resilience/write-journal.js';
import { systemTimerClock } from '../../shared/timer-clock.js';
import { journalOptions, sampleEntry } from './journal-samples.js';

/** A process that works on a journal until it is killed; run by tsx. It tells on stdout how far it is, a line each. */
const [mode = '', folder = '', round = ''] = process.argv.slice(2);

function tell(line: string): void {
  writeSync(1, `${line}\n`);
}

const writers = 6;
const outstandingPerWriter = 4;

/**
 * Every writer has its stream, and several appends to it under way. What was acknowledged goes to a file: what is written
 * to one survives whatever instruction comes next, and, unlike a pipe, a file is never too full to take it.
 */
function appendForever(journal: WriteJournal): void {
  const acknowledgements = openSync(join(folder, 'acknowledged'), 'a');
  let hasTold = false;
  for (let writer = 0; writer < writers; writer += 1) {
    let count = 0;
    const appendNext = async (): Promise<void> => {
      for (;;) {
        const id = `${round}/${writer}/${(count += 1)}`;
        await journal.append(sampleEntry(id, `${round}/${writer}`, `canary-payload of ${id}`));
        writeSync(acknowledgements, `${id}\n`);
        if (!hasTold) tell('acknowledged');
        hasTold = true;
      }
    };
    for (let lane = 0; lane < outstandingPerWriter; lane += 1) void appendNext();
  }
}

/** Applies to a database of its own, which refuses an id that it has: a stand-in for the real one's operation ids. */
function drainForever(journal: WriteJournal): void {
  const database = new DatabaseSync(join(folder, 'effects.sqlite'), { timeout: 5_000 });
  database.exec(`
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS effect (position INTEGER PRIMARY KEY, id TEXT UNIQUE, stream TEXT, payload TEXT);
    CREATE TABLE IF NOT EXISTS call (id TEXT)`);
  const insert = database.prepare(
    'INSERT INTO effect (id, stream, payload) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING',
  );
  const count = database.prepare('INSERT INTO call VALUES (?)');
  const drainer = new JournalDrainer({
    journal,
    clock: systemTimerClock,
    apply: ({ id, stream }, payload) => {
      database.exec('BEGIN');
      count.run(id);
      insert.run(id, stream, payload);
      database.exec('COMMIT');
      return Promise.resolve({ kind: 'applied', outcome: { id } });
    },
  });
  drainer.events.subscribe(({ type }) => {
    if (type === 'emptied') tell('emptied');
  });
  drainer.wake();
}

try {
  const journal = await WriteJournal.open(journalOptions(folder));
  tell('open');
  if (mode === 'append') appendForever(journal);
  if (mode === 'drain') drainForever(journal);
} catch (error) {
  tell(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
}
// stays until it is killed, or its parent is gone
process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL')).resume();
