import { describe, expect, it } from '@jest/globals';
import type { Request } from 'express';
import { MalformedInputError } from '../../../shared/errors/app-error.js';
import { acceptedAgeMs } from '../../../shared/middleware/cache-control.js';
import { preferredWaitMs } from '../../../shared/middleware/prefer.js';

/** As Node gives it: several lines of these headers are joined with commas. */
function requestWith(name: string, value: string | undefined): Request {
  return { headers: { [name]: value }, get: () => value } as unknown as Request;
}

describe('the age that Cache-Control accepts', () => {
  const accepted = (header?: string) => acceptedAgeMs(requestWith('cache-control', header));

  it.each([
    undefined,
    '',
    'max-stale',
    'max-stale=60',
    'no-transform',
    'only-if-cached',
    'community="no-cache"',
    'x="a, no-cache, b"',
    String.raw`x="\", no-cache"`,
    ', ,',
    'max-age',
    'max-age=soon',
    'max-age=-1',
    'max-age=1.5',
  ])('any: %s', (header) => {
    expect(accepted(header)).toBe(Number.POSITIVE_INFINITY);
  });

  it.each([
    'no-cache',
    'No-Cache',
    'max-stale=5, no-cache',
    'no-store',
    'no-cache="field"',
    'max-age=0',
    'min-fresh=1',
    'max-age=60, max-age=0',
    'max-age=soon, no-cache',
    'max-age=',
    '"unclosed',
    'no cache',
    '=x',
  ])('none: %s', (header) => {
    expect(accepted(header)).toBe(0);
  });

  it.each([
    ['max-age=60', 60_000],
    ['Max-Age="60"', 60_000],
    ['max-stale=1,max-age=5 , no-transform', 5_000],
    ['max-age=60, max-age=30', 30_000],
    ['max-age=soon, max-age=30', 30_000],
  ])('%s: %d ms', (header, expected) => {
    expect(accepted(header)).toBe(expected);
  });
});

describe('the wait that Prefer asks for', () => {
  const wait = (header?: string) => preferredWaitMs(requestWith('prefer', header));

  it.each([
    [undefined, undefined],
    ['respond-async', undefined],
    ['return=minimal; foo="a,b;c"', undefined],
    ['wait=10', 10_000],
    ['WAIT=0', 0],
    ['wait = "7"', 7_000],
    ['wait=31', 30_000],
    ['wait=99999999999999999999', 30_000],
    ['respond-async, wait=10', 10_000],
    ['respond-async; x; y="1"; , ,wait=5;z=2', 5_000],
    ['wait=1, wait=2', 1_000],
    ['handling=lenient, x="wait=3"', undefined],
  ])('%s: %s', (header, expected) => {
    expect(wait(header)).toBe(expected);
  });

  it.each([
    'wait=abc',
    'wait',
    'wait=',
    'wait=-1',
    'wait=1.5',
    'wait=1e1',
    'wait=""',
    'wait 5',
    '=5',
    'x="',
    ';',
    'a; =',
  ])('is refused: %s', (header) => {
    expect(() => wait(header)).toThrow(MalformedInputError);
  });
});
