import { describe, expect, it } from '@jest/globals';
import { CanaryWatch } from '../../faults/service/canary-watch.js';

describe('the watch for canaries', () => {
  it('tells which was met where, and never its value', () => {
    const watch = new CanaryWatch();
    watch.guard('a password', 'tweet-tweet');
    watch.look('a log', 'all is quiet');
    expect(watch.leaks).toEqual([]);
    watch.look('a problem', '{"detail":"tweet-tweet"}');
    expect(watch.leaks).toEqual([{ canary: 'a password', place: 'a problem' }]);
  });

  it('meets one that is torn between two pieces of a stream, once', () => {
    const watch = new CanaryWatch();
    watch.guard('a password', 'tweet-tweet');
    for (const chunk of ['so it goes tweet', '-tw', 'eet and so on', ' and on']) watch.lookOn('a log', chunk);
    watch.lookOn('another log', 'eet');
    expect(watch.leaks).toEqual([{ canary: 'a password', place: 'a log' }]);
  });
});
