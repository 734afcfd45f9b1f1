import { describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { isTimeZoneName } from '../../../shared/validation/time-zone.js';

describe('a time zone', () => {
  it.each([
    'Europe/Berlin',
    'America/Argentina/Buenos_Aires',
    'Antarctica/DumontDUrville',
    'UTC',
    'Etc/GMT+5',
  ])('has a name of the IANA database: %s', (name) => {
    expect(isTimeZoneName(name)).toBe(true);
  });

  it.each(['US/Pacific', 'Asia/Calcutta', 'Europe/Kiev', 'GMT', 'EST5EDT', 'Etc/Zulu', 'Singapore'])(
    'may have the name of a link: %s',
    (name) => {
      expect(isTimeZoneName(name)).toBe(true);
    },
  );

  it.each([
    ['of ICU alone', ['BST', 'IST', 'CST', 'PST', 'AST', 'ECT', 'JST', 'SystemV/PST8PDT', 'US/Pacific-New']],
    ['for a clock that is not set', ['Factory', 'Etc/Unknown']],
    ['in other letters', ['europe/berlin', 'EUROPE/BERLIN', 'utc', 'Etc/gmt+5']],
    ['that is an offset', ['+02:00', 'GMT+2', 'UTC+1', 'CEST']],
    ['that every object has', ['constructor', '__proto__', 'toString', '']],
  ])('has no name %s', (_kind, names) => {
    expect(names.filter(isTimeZoneName)).toEqual([]);
  });

  it('has every canonical name of the runtime', () => {
    expect(Intl.supportedValuesOf('timeZone').filter((name) => !isTimeZoneName(name))).toEqual([]);
  });

  const database = '/usr/share/zoneinfo/tzdata.zi';
  it('has every name of the database of this system, where there is one', () => {
    const lines = existsSync(database) ? readFileSync(database, 'utf8').split('\n') : [];
    const names = lines
      .map((line) => line.split(' '))
      .flatMap(([kind, first, second]) => (kind === 'Z' ? [first] : kind === 'L' ? [second] : []))
      .filter((name) => name !== undefined && name !== 'Factory');
    expect(names.filter((name) => !isTimeZoneName(name ?? ''))).toEqual([]);
  });
});
