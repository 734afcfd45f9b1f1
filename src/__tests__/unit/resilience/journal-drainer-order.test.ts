import { afterEach, describe, expect, it } from '@jest/globals';
import { done, drain, DrainWorkshop, turnsUntil } from '../../helpers/drain-bench.js';
import { sampleEntry } from '../../helpers/journal-samples.js';

const workshop = new DrainWorkshop();

afterEach(() => workshop.cleanUp());

describe('a drain that asks for more just when the last of its work ends', () => {
  it('takes what that work held up', async () => {
    const release = Promise.withResolvers<undefined>();
    let questions = 0;
    const bench = await workshop.bench(
      [],
      async ({ id }) => {
        if (id === 'a') await release.promise;
        return done;
      },
      {},
      (journal) => ({
        next: async (...question) => {
          const answer = await journal.next(...question);
          questions += 1;
          if (questions === 2) {
            release.resolve(undefined);
            await turnsUntil(
              () => bench.drainer.state.name === 'draining' && bench.drainer.state.inFlight === 0,
            );
          }
          return answer;
        },
      }),
    );
    await bench.journal.append({ ...sampleEntry('a', 'store-1'), founds: 'code' });
    await bench.journal.append({ ...sampleEntry('b', 'store-2'), founds: 'code' });
    await drain(bench);
    expect(bench.calls).toEqual(['a', 'b']);
    expect(bench.journal.isEmpty).toBe(true);
  });
});
