import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { WriteJournal } from '../../shared/resilience/write-journal.js';
import { killIfKept } from '../../store-service/kill-if-kept.js';
import { InlineEngine, journalOptions, sampleEntry } from './journal-samples.js';

/**
 * A process whose journal's thread hangs in a call to the disk, as a read from a pipe that nobody writes to does; run by
 * tsx. It closes the journal and ends as the service does.
 */
const [folder = '', pipe = ''] = process.argv.slice(2);

const thread = new Worker(
  `require('node:worker_threads').parentPort.postMessage('begins');
   require('node:fs').readFileSync(${JSON.stringify(pipe)})`,
  { eval: true },
);
await once(thread, 'message');
const never = (): Promise<never> => new Promise(() => undefined);
const journal = await WriteJournal.open(journalOptions(folder), (options) => {
  const inline = new InlineEngine(options);
  return Promise.resolve({
    run: (batch) => (batch.operations.length === 0 ? inline.run(batch) : never()),
    close: never,
    terminate: async () => {
      await thread.terminate();
    },
  });
});
void journal.append(sampleEntry('a'));
await journal.close(100);
writeSync(1, 'closed\n');
killIfKept(200);
