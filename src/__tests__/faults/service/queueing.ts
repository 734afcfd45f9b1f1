import { strict as assert } from 'node:assert';
import type { HttpRecorder } from './http-recorder.js';
import type { RecordedWrite } from './recorded-write.js';

/** Variables with which a write does not wait for a primary. */
export const impatient = { DATABASE_FAILOVER_WAIT_MS: '1' };

/** Has writes accepted while there is no primary: `stores` creations, and after each of them some replacements. */
export async function queueWrites(
  recorder: HttpRecorder,
  stores: number,
  each: number,
): Promise<RecordedWrite[]> {
  const queued: RecordedWrite[] = [];
  let left = stores;
  const work = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      let last = await recorder.create();
      queued.push(last);
      for (let count = 0; count < each; count += 1) {
        last = await recorder.replace(last);
        queued.push(last);
      }
    }
  };
  await Promise.all(Array.from({ length: 16 }, work));
  const others = queued.filter(({ answer }) => answer?.status !== 202);
  assert.deepEqual(
    others.map(({ answer }) => answer),
    [],
    'every write is accepted',
  );
  return queued;
}
