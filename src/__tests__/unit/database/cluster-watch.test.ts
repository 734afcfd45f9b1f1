import { describe, expect, it } from '@jest/globals';
import { ClusterWatch } from '../../../shared/database/cluster-watch.js';
import type { DatabaseEvent } from '../../../shared/database/database-event.js';
import { DatabaseUnavailableError } from '../../../shared/database/database-error.js';
import type { NodeObserver } from '../../../shared/database/node-monitor.js';
import type { Observation } from '../../../shared/database/node-state.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const timings = { checkIntervalMs: 30_000, beatMs: 500, searchIntervalMs: 100, searchLimitMs: 10_000 };

/** A node that says what a test lets it say, and counts how often it was asked. */
class ScriptedNode implements NodeObserver {
  onLost: NodeObserver['onLost'] = () => undefined;
  asked = 0;
  isClosed = false;
  answer: () => Promise<Observation | undefined>;

  constructor(
    readonly name: string,
    readonly clock: ManualClock,
    inRecovery: boolean,
  ) {
    this.answer = () => Promise.resolve(this.says({ inRecovery }));
  }

  says({ inRecovery = false, timeline = 1, lsn = 100n, systemId = 'ours' }): Observation {
    const position = { timeline, lsn };
    return {
      kind: 'answered',
      askedAtMs: this.clock.monotonicMs(),
      identity: {
        systemId,
        isInRecovery: inRecovery,
        isReadOnly: false,
        isSynchronous: false,
        followers: 0,
        position,
      },
    };
  }

  probe(): Promise<Observation | undefined> {
    this.asked += 1;
    return this.answer();
  }

  close(): void {
    this.isClosed = true;
  }
}

const unreachable = (): Promise<Observation> => Promise.resolve({ kind: 'unreachable', reason: 'timeout' });

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

async function setUp(): Promise<{
  clock: ManualClock;
  primary: ScriptedNode;
  replica: ScriptedNode;
  watch: ClusterWatch;
  events: DatabaseEvent[];
  pass: (ms: number) => Promise<void>;
}> {
  const clock = new ManualClock();
  const primary = new ScriptedNode('p', clock, false);
  const replica = new ScriptedNode('r', clock, true);
  const events: DatabaseEvent[] = [];
  const watch = new ClusterWatch([primary, replica], timings, clock, (event) => events.push(event));
  await watch.start();
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms;) {
      passed += clock.advanceToNext(ms - passed);
      await settle();
    }
  };
  return { clock, primary, replica, watch, events, pass };
}

function clusterStates(events: readonly DatabaseEvent[]): string[] {
  return events.flatMap((event) => (event.type === 'cluster_state' ? [event.to.kind] : []));
}

describe('ClusterWatch', () => {
  it('finds out at the start what every node is', async () => {
    const { watch, events } = await setUp();
    expect(watch.state).toEqual({ kind: 'healthy', primary: 'p', timeline: 1 });
    expect(watch.stateOf('r').kind).toBe('replica');
    expect(watch.stateOf('nobody').kind).toBe('unknown');
    expect(watch.systemId).toBe('ours');
    expect(clusterStates(events)).toEqual(['healthy']);
    expect(await watch.primary(0)).toBe('p');
  });

  it('does not take the first answer for its cluster: a node of another one may be the fastest', async () => {
    const clock = new ManualClock();
    const [foreign, primary, replica] = [
      new ScriptedNode('f', clock, false),
      new ScriptedNode('p', clock, false),
      new ScriptedNode('r', clock, true),
    ] as const;
    foreign.answer = () => Promise.resolve(foreign.says({ systemId: 'theirs', timeline: 9 }));
    let replyOfPrimary: (observation: Observation) => void = () => undefined;
    primary.answer = () =>
      new Promise((resolve) => {
        replyOfPrimary = resolve;
      });
    let replyOfReplica: (observation: Observation) => void = () => undefined;
    replica.answer = () =>
      new Promise((resolve) => {
        replyOfReplica = resolve;
      });
    const watch = new ClusterWatch([foreign, primary, replica], timings, clock, () => undefined);
    const starting = watch.start();
    await settle();
    expect(watch.systemId).toBeUndefined();
    expect(watch.stateOf('f').kind).toBe('unknown');
    expect(watch.state.kind).toBe('discovering');
    replyOfPrimary(primary.says({}));
    await settle();
    expect(watch.systemId).toBeUndefined();
    replyOfReplica(replica.says({ inRecovery: true }));
    await starting;
    expect(watch.systemId).toBe('ours');
    expect(watch.state).toEqual({ kind: 'healthy', primary: 'p', timeline: 1 });
    expect(watch.stateOf('f')).toMatchObject({ kind: 'fenced', reason: 'foreign-system' });
    watch.stop();
  });

  it('knows its cluster although a node is down, or too busy, from the start', async () => {
    for (const answer of [unreachable, () => Promise.resolve(undefined)]) {
      const clock = new ManualClock();
      const primary = new ScriptedNode('p', clock, false);
      const other = new ScriptedNode('o', clock, true);
      other.answer = answer;
      const watch = new ClusterWatch([other, primary], timings, clock, () => undefined);
      await watch.start();
      expect(watch.state).toEqual({ kind: 'healthy', primary: 'p', timeline: 1 });
      watch.stop();
    }
  });

  it('looks seldom while nobody uses the database', async () => {
    const { primary, pass } = await setUp();
    await pass(29_999);
    expect(primary.asked).toBe(1);
    await pass(1);
    expect(primary.asked).toBe(2);
  });

  it('looks every beat while somebody uses it, and a beat longer', async () => {
    const { primary, watch, pass } = await setUp();
    await pass(10_000);
    const endUse = watch.beginUse();
    await settle();
    expect(primary.asked).toBe(2);
    await pass(1_000);
    expect(primary.asked).toBe(4);
    endUse();
    await pass(10_000);
    expect(primary.asked).toBeLessThanOrEqual(6);
  });

  it('looks a beat after the last look when use begins soon after it', async () => {
    const { primary, watch, pass } = await setUp();
    await pass(200);
    watch.beginUse();
    await pass(499);
    expect(primary.asked).toBe(1);
    await pass(1);
    expect(primary.asked).toBe(2);
  });

  it('suspects the primary at once when something fails there, and believes it again when it answers', async () => {
    const { watch, events } = await setUp();
    watch.suspect('p');
    expect(watch.state).toMatchObject({ kind: 'suspect', primary: 'p' });
    const waiting = watch.primary(1_000);
    await settle();
    expect(await waiting).toBe('p');
    expect(clusterStates(events)).toEqual(['healthy', 'suspect', 'healthy']);
  });

  it('asks every node when the primary is suspected', async () => {
    const { watch, replica } = await setUp();
    watch.suspect('p');
    await settle();
    expect(replica.asked).toBe(2);
  });

  it('does not count an answer to a question from before the failure', async () => {
    const { primary, watch } = await setUp();
    let reply: (observation: Observation) => void = () => undefined;
    primary.answer = () =>
      new Promise((resolve) => {
        reply = resolve;
      });
    void watch.look();
    watch.suspect('p');
    reply(primary.says({}));
    await settle();
    expect(watch.state.kind).toBe('suspect');
    reply(primary.says({}));
    await settle();
    expect(watch.state.kind).toBe('healthy');
  });

  it('keeps looking often until there is a primary again', async () => {
    const { primary, replica, watch, events, pass } = await setUp();
    primary.answer = unreachable;
    watch.suspect('p');
    await settle();
    expect(watch.state.kind).toBe('discovering');
    const askedBefore = replica.asked;
    await pass(1_000);
    expect(replica.asked - askedBefore).toBeGreaterThanOrEqual(5);
    const waiting = watch.primary(5_000);
    replica.answer = () => Promise.resolve(replica.says({ timeline: 2 }));
    await pass(200);
    expect(await waiting).toBe('r');
    expect(watch.state).toEqual({ kind: 'healthy', primary: 'r', timeline: 2 });
    primary.answer = () => Promise.resolve(primary.says({}));
    watch.beginUse();
    await pass(600);
    expect(watch.stateOf('p')).toMatchObject({ kind: 'fenced', reason: 'older-timeline' });
    expect(clusterStates(events)).toEqual(['healthy', 'suspect', 'discovering', 'healthy']);
  });

  it('says after a while that there is no primary', async () => {
    const { primary, watch, events, pass } = await setUp();
    primary.answer = unreachable;
    watch.suspect('p');
    await pass(11_000);
    expect(watch.state).toMatchObject({ kind: 'no-primary', reason: 'none-found' });
    expect(clusterStates(events)).toEqual(['healthy', 'suspect', 'discovering', 'no-primary']);
  });

  it('raises the alarm once when a second primary appears', async () => {
    const { replica, watch, events, pass } = await setUp();
    replica.answer = () => Promise.resolve(replica.says({}));
    await watch.look();
    await pass(1_000);
    expect(watch.state).toMatchObject({ kind: 'no-primary', reason: 'rival-primaries' });
    expect(events.filter(({ type }) => type === 'rival_primaries')).toEqual([
      { type: 'rival_primaries', nodes: ['p', 'r'], timeline: 1 },
    ]);
  });

  it('leaves a node what it was when it is too busy to answer', async () => {
    const { primary, watch } = await setUp();
    primary.answer = () => Promise.resolve(undefined);
    await watch.look();
    expect(watch.state.kind).toBe('healthy');
  });

  it('takes the loss of its own connection for a failure at the node', async () => {
    const { primary, watch } = await setUp();
    primary.onLost({ errorClass: 'connection', error: new Error('57P01') });
    expect(watch.state.kind).toBe('suspect');
  });

  it('does not lose the primary over a failure at a replica', async () => {
    const { watch } = await setUp();
    watch.suspect('r');
    expect(watch.state.kind).toBe('healthy');
    expect(watch.stateOf('r').kind).toBe('unknown');
    expect(watch.lagMsOf('r')).toBe(Number.POSITIVE_INFINITY);
  });

  it('bounds the age of what a replica shows', async () => {
    const { clock, watch } = await setUp();
    clock.advance(250);
    expect(watch.lagMsOf('r')).toBe(250);
    expect(watch.lagMsOf('p')).toBe(Number.POSITIVE_INFINITY);
  });

  it('ignores what is said of nodes it does not know, or knows to be down', async () => {
    const { primary, watch, pass } = await setUp();
    watch.suspect('nobody');
    primary.answer = unreachable;
    watch.suspect('p');
    await settle();
    const asked = primary.asked;
    watch.suspect('p');
    await settle();
    expect(primary.asked).toBe(asked);
    await pass(1);
    expect(watch.state.kind).toBe('discovering');
  });

  it('stops: nobody waits, nobody is asked, nothing is left to come', async () => {
    const { clock, primary, watch, pass } = await setUp();
    primary.answer = unreachable;
    watch.suspect('p');
    await settle();
    const waiting = watch.primary(5_000);
    watch.stop();
    await expect(waiting).rejects.toThrow(DatabaseUnavailableError);
    await expect(watch.primary(5_000)).rejects.toThrow(DatabaseUnavailableError);
    const asked = primary.asked;
    watch.suspect('r');
    await watch.look();
    await pass(60_000);
    expect(primary.asked).toBe(asked);
    expect(primary.isClosed).toBe(true);
    expect(clock.pending).toBe(0);
  });

  it('takes no notice of an answer that comes after the stop', async () => {
    const { primary, watch } = await setUp();
    let reply: (observation: Observation) => void = () => undefined;
    primary.answer = () =>
      new Promise((resolve) => {
        reply = resolve;
      });
    const looking = watch.look();
    watch.stop();
    reply(primary.says({ timeline: 7 }));
    await looking;
    expect(watch.state).toMatchObject({ timeline: 1 });
  });

  it('lets a caller give up waiting', async () => {
    const { primary, watch } = await setUp();
    primary.answer = unreachable;
    watch.suspect('p');
    await settle();
    await expect(watch.primary(0)).rejects.toThrow(DatabaseUnavailableError);
    await expect(watch.primary(100, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  });
});
