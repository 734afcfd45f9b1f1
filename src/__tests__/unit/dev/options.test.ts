import { describe, expect, it } from '@jest/globals';
import { parseDevOptions, UsageError } from '../../../dev/options.js';

const defaults = { dataDir: '.data', host: '127.0.0.1', port: 3000, reset: false, seedCount: 0 };

describe('the options of the development stack', () => {
  it('have defaults, also where variables are set to nothing', () => {
    expect(parseDevOptions([], {})).toEqual(defaults);
    expect(parseDevOptions([], { PORT: '', HOST: '', DATA_DIR: '' })).toEqual(defaults);
  });

  it('come from arguments and variables', () => {
    expect(
      parseDevOptions(['--reset', '--seed', '1000'], { PORT: '0', HOST: '::1', DATA_DIR: '/tmp/x' }),
    ).toEqual({ dataDir: '/tmp/x', host: '::1', port: 0, reset: true, seedCount: 1000 });
  });

  it('give way to a request for help', () => {
    expect(parseDevOptions(['--seed', '5', '-h'], {})).toBe('help');
    expect(parseDevOptions(['--help'], { PORT: 'nonsense' })).toBe('help');
  });

  it.each([
    [['--sed', '5'], {}, "Unknown option '--sed'"],
    [['now'], {}, "Unexpected argument 'now'"],
    [['--seed'], {}, "'--seed <value>' argument missing"],
    [['--reset=yes'], {}, "'--reset' does not take an argument"],
    [['--seed', '0'], {}, "--seed must be a whole number from 1 to 1000000, and is '0'"],
    [['--seed', '1000001'], {}, '--seed must be'],
    [['--seed', '1e3'], {}, '--seed must be'],
    [[], { PORT: '65536' }, "PORT must be a whole number from 0 to 65535, and is '65536'"],
    [[], { PORT: '-1' }, 'PORT must be'],
    [[], { PORT: ' 80' }, 'PORT must be'],
  ])('%j with %j is refused in words', (argv, env, message) => {
    const parsing = (): unknown => parseDevOptions(argv, env);
    expect(parsing).toThrow(UsageError);
    expect(parsing).toThrow(message);
  });
});
