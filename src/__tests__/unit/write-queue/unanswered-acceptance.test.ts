import { describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { databaseUnavailable } from '../../../shared/database/database-error.js';
import { latest } from '../../../shared/database/consistency.js';
import type { Principal } from '../../../shared/services/authenticator.js';
import {
  DurableWrites,
  type DurableWritesParts,
} from '../../../store-service/services/write-queue/durable-writes.js';
import { ManualClock } from '../../helpers/manual-clock.js';

describe('a write that can only be accepted', () => {
  it('has an unknown outcome if the disk does not answer in time', async () => {
    const clock = new ManualClock();
    const accepted = Promise.withResolvers<undefined>();
    const writes = new DurableWrites({
      commands: { carryOut: () => Promise.reject(databaseUnavailable()) },
      queue: {
        findAhead: () => Promise.resolve(undefined),
        accept: () => {
          accepted.resolve(undefined);
          return new Promise(() => undefined);
        },
      } as unknown as DurableWritesParts['queue'],
      replication: () => ({ kind: 'unknown' }),
      clock,
      awaySinceMs: () => 0,
      defaultWaitMs: 0,
      onUnprotected: () => undefined,
    });
    const write = writes.write(
      { kind: 'store.decommission', storeId: randomUUID(), expected: { source: 'header', versions: [1] } },
      {
        principal: { id: 'key:somebody' } as unknown as Principal,
        requestId: 'r',
        consistency: latest,
        mayQueue: true,
      },
    );
    const refusal = expect(write).rejects.toMatchObject({
      kind: 'dependency_unavailable',
      code: 'write_outcome_unknown',
    });
    await accepted.promise;
    clock.advance(10_000);
    await refusal;
  });
});
