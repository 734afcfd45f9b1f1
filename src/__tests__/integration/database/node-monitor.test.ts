import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { StaticCredentials } from '../../../shared/database/credential-source.js';
import { parseConnectionString } from '../../../shared/database/node-address.js';
import { NodeMonitor } from '../../../shared/database/node-monitor.js';
import { systemTimerClock } from '../../../shared/timer-clock.js';
import { createTestDatabase, type TestDatabase } from '../../helpers/database.js';
import { FaultProxy } from '../../helpers/fault-proxy.js';

const probeTimeoutMs = 300;

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(() => database.drop());

function monitorOf(url: string): NodeMonitor {
  const { address, login } = parseConnectionString(url);
  const settings = { probeTimeoutMs, probeTable: 'stores', tls: undefined };
  return new NodeMonitor(address, new StaticCredentials(login), settings, systemTimerClock);
}

describe('NodeMonitor', () => {
  it('does not give up a node that has answered while this process stood still', async () => {
    const monitor = monitorOf(database.appUrl);
    expect(await monitor.probe()).toMatchObject({ kind: 'answered' });
    const probing = monitor.probe();
    // what is asked goes out at the end of the turn
    for (let turn = 0; turn < 20; turn += 1)
      await new Promise<void>((resolve) => {
        process.nextTick(resolve);
      });
    const untilMs = performance.now() + 2.5 * probeTimeoutMs;
    while (performance.now() < untilMs);
    expect(await probing).toMatchObject({ kind: 'answered' });
    monitor.close();
  });

  it('gives up a node that does not answer in time', async () => {
    const proxy = await FaultProxy.start(() => Number(new URL(database.appUrl).port));
    const monitor = monitorOf(proxy.urlOf(database.appUrl));
    expect(await monitor.probe()).toMatchObject({ kind: 'answered' });
    await proxy.setMode({ kind: 'black-hole' });
    const sinceMs = performance.now();
    expect(await monitor.probe()).toEqual({ kind: 'unreachable', reason: 'timeout' });
    expect(performance.now() - sinceMs).toBeLessThan(2 * probeTimeoutMs);
    monitor.close();
    await proxy.close();
  });
});
