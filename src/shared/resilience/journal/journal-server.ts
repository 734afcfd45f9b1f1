import type { MessagePort } from 'node:worker_threads';
import { JournalOpenError } from './journal-open-error.ts';
import type { FromThread, StoreOptions, ToThread } from './journal-protocol.js';
import { JournalStore } from './journal-store.ts';

/** Serves a journal's store over a port: says whether it opened, then answers one batch after the other. */
export function serveJournal(port: MessagePort, options: StoreOptions): void {
  const send = (message: FromThread): void => {
    port.postMessage(message);
  };
  let store: JournalStore;
  try {
    store = new JournalStore(options);
  } catch (error) {
    const code = error instanceof JournalOpenError ? error.code : 'journal_unusable';
    send({ type: 'open_failed', code, message: error instanceof Error ? error.message : String(error) });
    port.close();
    return;
  }
  port.on('message', (message: ToThread) => {
    if (message.type === 'batch') {
      send({ type: 'reply', reply: store.run(message.batch) });
      return;
    }
    store.close();
    port.close();
  });
  send({ type: 'ready' });
}
