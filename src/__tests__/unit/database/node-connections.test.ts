import { describe, expect, it } from '@jest/globals';
import type { CredentialSource } from '../../../shared/database/credential-source.js';
import { NodeConnections } from '../../../shared/database/node-connections.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const settings = {
  poolSize: 2,
  probeTable: 'stores',
  maxWaiting: 2,
  drainMs: 100,
  idleTimeoutMs: 1_000,
  maxLifetimeMs: 10_000,
  connectTimeoutMs: 100,
  statementTimeoutMs: 100,
  lockTimeoutMs: 100,
  queryTimeoutMs: 100,
};

describe('NodeConnections', () => {
  it('are replaced for a new role also while there is no login to be had', async () => {
    let hasLogin = true;
    const credentials: CredentialSource = {
      current: () => {
        if (!hasLogin) throw new Error('There is no login');
        return { id: 'first', username: 'somebody', password: 'secret', mayExpire: true };
      },
      subscribe: () => () => undefined,
      reject: () => 0,
    };
    const connections = new NodeConnections(
      { host: 'localhost', port: 1, database: 'd', name: 'localhost:1/d' },
      credentials,
      settings,
      new ManualClock(),
      {
        isUsable: () => true,
        isExpected: () => true,
        knowsAllLogins: () => true,
        onFailure: () => undefined,
      },
    );
    hasLogin = false;
    await expect(connections.replace()).resolves.toBeUndefined();
    await expect(connections.adoptLogin()).rejects.toThrow('There is no login');
  });
});
