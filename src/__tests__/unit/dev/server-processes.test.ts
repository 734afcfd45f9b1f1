import { describe, expect, it } from '@jest/globals';
import { findInProcessList, signalProcess } from '../../../dev/postgres/server-processes.js';

describe('finding a server in a process list', () => {
  it('takes the postmaster of this data folder and nothing else', () => {
    const list = [
      '    1 /sbin/launchd',
      '  501 /the app/native/bin/postgres -D /data/postgres/node-1',
      '  502 postgres: checkpointer ',
      '  503 /app/native/bin/postgres -D /data/postgres/node-10',
      '  504 tail -f /data/postgres/node-1',
      '  505 /app/native/bin/postgres -D /other/data/postgres/node-1',
      '',
    ].join('\n');
    expect(findInProcessList(list, (folder) => folder === '/data/postgres/node-1')).toEqual([501]);
  });
});

describe('signalling a process', () => {
  it('does nothing when the process has ended', () => {
    expect(() => {
      signalProcess(2_147_483_645, 'SIGTERM');
    }).not.toThrow();
  });
});
