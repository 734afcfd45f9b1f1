import { expect, it } from '@jest/globals';
import type { Connection } from '../../../shared/database/connection.js';
import { runTransaction } from '../../../shared/database/transaction.js';

it('sends nothing more when BEGIN alone was refused, whenever that is known', async () => {
  const sent: string[] = [];
  const refusal = new Error('refused');
  const begun = Promise.withResolvers<never>();
  const connection: Partial<Connection> = {
    query: (text: string) => {
      sent.push(text);
      return text === 'BEGIN' ? begun.promise : Promise.resolve({ rows: [], rowCount: 1, command: 'INSERT' });
    },
    interruptible: (work) => work(),
  };
  const running = runTransaction(connection as Connection, async (tx) => {
    await tx.query('the first');
    await tx.query('the second');
  });
  await new Promise((resolve) => setImmediate(resolve));
  begun.reject(refusal);
  expect(await running).toMatchObject({ kind: 'rolled_back', error: refusal });
  expect(sent).toEqual(['BEGIN', 'the first', 'ROLLBACK']);
});
