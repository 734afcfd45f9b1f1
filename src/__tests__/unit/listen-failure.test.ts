import { describe, expect, it } from '@jest/globals';
import { describePortError } from '../../dev/free-port.js';
import { ListenError } from '../../store-service/listen-failure.js';

const failing = (code: string): Error => Object.assign(new Error(code), { code });

describe('a port or an address that cannot be listened on', () => {
  it.each([
    ['EACCES', 'PORT 80: the account of this process may not listen on that port (EACCES)', 'from 1024 on'],
    ['EADDRINUSE', 'PORT 80: another process listens on that port of 10.0.0.1', 'take another PORT'],
    ['EADDRNOTAVAIL', 'HOST 10.0.0.1: it is no address of this machine', '0.0.0.0'],
    ['ENOTFOUND', 'HOST 10.0.0.1: the name is not known', '0.0.0.0'],
    ['EINVAL', 'HOST 10.0.0.1, PORT 80: they cannot be listened on (EINVAL)', 'Take another'],
  ])('is explained for %s, and keeps its code', (code, reason, remedy) => {
    const error = new ListenError({ host: '10.0.0.1', port: 80 }, failing(code));
    expect(error.code).toBe(code);
    expect(error.message).toContain(reason);
    expect(error.message).toContain(remedy);
  });

  it('is said in development, too: a missing right is no other process', () => {
    expect(describePortError(80, failing('EACCES'))).toBe('this account may not use port 80');
    expect(describePortError(3000, failing('EADDRINUSE'))).toBe('port 3000 is taken');
  });
});
