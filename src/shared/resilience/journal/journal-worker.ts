import { parentPort, workerData } from 'node:worker_threads';
import type { StoreOptions } from './journal-protocol.js';
import { serveJournal } from './journal-server.ts';

// Entry of the journal's thread. It and what it imports name their modules with .ts, so that Node runs them as they are
// in development and tests, where no compiled files exist; the compiler rewrites the names.
if (parentPort) serveJournal(parentPort, workerData as StoreOptions);
