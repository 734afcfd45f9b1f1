import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { StopControl } from '../../../dev/stop-control.js';

let events: EventEmitter;
let control: StopControl;

beforeEach(() => {
  jest.useFakeTimers();
  events = new EventEmitter();
  control = new StopControl({ events });
});

afterEach(() => {
  control.close();
  jest.useRealTimers();
});

describe('the control over stopping', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'])('asks for an orderly stop on %s', async (signal) => {
    events.emit(signal);
    expect(control.stop.aborted).toBe(true);
    expect(control.force.aborted).toBe(false);
    await expect(control.requested).resolves.toEqual({});
  });

  it('forces on the second signal', () => {
    events.emit('SIGINT');
    events.emit('SIGINT');
    expect(control.force.aborted).toBe(true);
  });

  it('forces when order takes too long', () => {
    events.emit('SIGTERM');
    jest.advanceTimersByTime(3_999);
    expect(control.force.aborted).toBe(false);
    jest.advanceTimersByTime(1);
    expect(control.force.aborted).toBe(true);
  });

  it('gives up when not even force has brought an end', async () => {
    events.emit('SIGTERM');
    events.emit('SIGTERM');
    jest.advanceTimersByTime(500);
    await expect(control.lost).resolves.toBeUndefined();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('does not force after an end in time', () => {
    events.emit('SIGTERM');
    control.close();
    jest.advanceTimersByTime(10_000);
    expect(control.force.aborted).toBe(false);
  });

  it('stops on an error that nobody caught, and tells it', async () => {
    const error = new Error('a bug');
    events.emit('uncaughtException', error);
    await expect(control.requested).resolves.toEqual({ error });
  });

  it('keeps the first reason', async () => {
    const error = new Error('first');
    control.request({ error });
    control.request({});
    await expect(control.requested).resolves.toEqual({ error });
    expect(control.force.aborted).toBe(false);
  });

  it('leaves signals alone after its end', () => {
    control.close();
    expect(events.listenerCount('SIGINT')).toBe(0);
    expect(events.listenerCount('uncaughtException')).toBe(0);
  });

  it('stops when the processes that started it end', () => {
    let ancestors = '12, 11';
    const watching = new StopControl({ events, ancestors: () => ancestors });
    jest.advanceTimersByTime(1_000);
    expect(watching.stop.aborted).toBe(false);
    ancestors = '12, 1';
    jest.advanceTimersByTime(1_000);
    expect(watching.stop.aborted).toBe(true);
    expect(watching.force.aborted).toBe(false);
    watching.close();
  });
});
