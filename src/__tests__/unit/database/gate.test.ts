import { describe, expect, it } from '@jest/globals';
import { Gate } from '../../../shared/database/gate.js';
import { PrimaryWaiters } from '../../../shared/database/primary-waiters.js';
import { DatabaseUnavailableError } from '../../../shared/database/database-error.js';
import { OverloadedError } from '../../../shared/errors/app-error.js';
import { ManualClock } from '../../helpers/manual-clock.js';

function setUp(): { gate: Gate; clock: ManualClock } {
  const clock = new ManualClock();
  return { gate: new Gate({ capacity: 1, maxWaiting: 2, timeoutMs: 100 }, clock), clock };
}

describe('Gate', () => {
  it('lets in as many as there is room for, and the next one when somebody leaves', async () => {
    const { gate, clock } = setUp();
    const leave = await gate.enter();
    const second = gate.enter();
    expect(gate).toMatchObject({ inside: 1, waiting: 1 });
    leave();
    const leaveSecond = await second;
    expect(gate).toMatchObject({ inside: 1, waiting: 0 });
    leaveSecond();
    expect(gate.inside).toBe(0);
    expect(clock.pending).toBe(0);
  });

  it('gives a place back once, however often it is told', async () => {
    const { gate } = setUp();
    const leave = await gate.enter();
    leave();
    leave();
    expect(gate.inside).toBe(0);
  });

  it('serves those who wait in the order they came', async () => {
    const { gate } = setUp();
    const leave = await gate.enter();
    const order: number[] = [];
    const first = gate.enter().then((go) => {
      order.push(1);
      go();
    });
    const second = gate.enter().then((go) => {
      order.push(2);
      go();
    });
    leave();
    await Promise.all([first, second]);
    expect(order).toEqual([1, 2]);
  });

  it('sends away at once who would make the queue too long', async () => {
    const { gate, clock } = setUp();
    await gate.enter();
    const waiting = Promise.allSettled([gate.enter(), gate.enter()]);
    await expect(gate.enter()).rejects.toThrow(OverloadedError);
    clock.advance(100);
    expect(await waiting).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }]);
  });

  it('sends away who has waited too long', async () => {
    const { gate, clock } = setUp();
    const leave = await gate.enter();
    const late = expect(gate.enter()).rejects.toThrow(OverloadedError);
    clock.advance(100);
    await late;
    expect(gate.waiting).toBe(0);
    leave();
    expect(gate.inside).toBe(0);
  });

  it('lets go of who gives up', async () => {
    const { gate } = setUp();
    await gate.enter();
    const controller = new AbortController();
    const waiting = gate.enter(controller.signal);
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(gate.enter(controller.signal)).rejects.toThrow('enough');
    expect(gate.waiting).toBe(0);
  });
});

describe('PrimaryWaiters', () => {
  it('tells everybody who waits', async () => {
    const waiters = new PrimaryWaiters(new ManualClock());
    const waiting = Promise.all([waiters.wait(100, undefined), waiters.wait(50, undefined)]);
    waiters.tell('a');
    expect(await waiting).toEqual(['a', 'a']);
  });

  it('lets nobody wait longer than they may, or at all if they may not', async () => {
    const clock = new ManualClock();
    const waiters = new PrimaryWaiters(clock);
    const waiting = waiters.wait(100, undefined);
    clock.advance(100);
    await expect(waiting).rejects.toThrow(DatabaseUnavailableError);
    await expect(waiters.wait(0, undefined)).rejects.toThrow(DatabaseUnavailableError);
  });

  it('lets go of who gives up, and of everybody at the end', async () => {
    const clock = new ManualClock();
    const waiters = new PrimaryWaiters(clock);
    const controller = new AbortController();
    const given = waiters.wait(100, controller.signal);
    const dismissed = waiters.wait(100, undefined);
    controller.abort(new Error('enough'));
    waiters.dismiss();
    await expect(given).rejects.toThrow('enough');
    await expect(dismissed).rejects.toThrow(DatabaseUnavailableError);
    expect(clock.pending).toBe(0);
  });
});
