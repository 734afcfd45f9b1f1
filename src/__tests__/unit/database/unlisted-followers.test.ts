import { describe, expect, it } from '@jest/globals';
import type { DatabaseStatus } from '../../../shared/database/connection-manager.js';
import type { NodeState } from '../../../shared/database/node-state.js';
import { unlistedFollowers, warnOfUnlistedFollowers } from '../../../shared/database/unlisted-followers.js';
import { ManualClock } from '../../helpers/manual-clock.js';
import { recordingLogger } from '../../helpers/test-app.js';

const connections = { idle: 0, inUse: 0, waiting: 0 };

function statusWith(followers: number, isSynchronous = false, ...others: NodeState[]): DatabaseStatus {
  const position = { timeline: 1, lsn: 1n };
  const primary: NodeState = { kind: 'primary', position, askedAtMs: 0, isSynchronous, followers };
  return {
    cluster: { kind: 'healthy', primary: 'node-0', timeline: 1 },
    nodes: [primary, ...others].map((state, index) => ({
      name: `node-${index}`,
      state,
      lagMs: 0,
      connections,
    })),
  };
}

describe('what follows the only node we know', () => {
  it('is told, unless commits wait for it', () => {
    expect(unlistedFollowers(statusWith(2))).toBe(2);
    expect(unlistedFollowers(statusWith(0))).toBe(0);
    expect(unlistedFollowers(statusWith(1, true))).toBe(0);
  });

  it('counts only where no other node is listed, and there is a primary', () => {
    expect(unlistedFollowers(statusWith(1, false, { kind: 'down', reason: 'gone' }))).toBe(0);
    const { nodes } = statusWith(1);
    expect(unlistedFollowers({ cluster: { kind: 'discovering', sinceMs: 0 }, nodes })).toBe(0);
  });

  it('is logged once for each change', () => {
    const clock = new ManualClock();
    const { logger, lines } = recordingLogger();
    let status = statusWith(1);
    const stop = warnOfUnlistedFollowers(() => status, logger, clock);
    clock.advance(60_000);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('DATABASE_URLS');
    status = statusWith(2);
    clock.advance(60_000);
    expect(lines).toHaveLength(2);
    // while nobody knows, nothing has changed
    status = { ...status, cluster: { kind: 'discovering', sinceMs: 0 } };
    clock.advance(60_000);
    status = statusWith(2);
    clock.advance(60_000);
    expect(lines).toHaveLength(2);
    status = statusWith(0);
    clock.advance(60_000);
    status = statusWith(1);
    clock.advance(60_000);
    expect(lines).toHaveLength(3);
    stop();
    expect(clock.pending).toBe(0);
  });
});
