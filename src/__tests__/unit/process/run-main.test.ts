import { afterEach, describe, expect, it } from '@jest/globals';
import { killEntries, startEntry } from '../../helpers/entry-process.js';

afterEach(killEntries);

/** Runs `body` as the main function of a process. */
function run(body: string, options = ''): Promise<{ code: number | null; output: string }> {
  const program = `
    import { runMain } from './src/shared/process/run-main.ts';
    import { awaiting } from './src/shared/process/awaited.ts';
    import { pause, systemTimerClock } from './src/shared/timer-clock.ts';
    const wait = (ms) => new Promise((resolve) => systemTimerClock.after(ms, resolve));
    runMain(async () => { ${body} }, {
      explain: (error) => ({ exitCode: 3, message: 'explained: ' + error.message }), ${options}
    });`;
  return startEntry(['-e', program]).ended;
}

describe('the main function of a process', () => {
  it('is waited for while it waits for a timer that keeps no process', async () => {
    const { code, output } = await run(`await wait(400); console.log('woken'); return 5;`);
    expect({ code, output }).toEqual({ code: 5, output: 'woken\n' });
  });

  it('is waited for through many such waits, also with work in between', async () => {
    const { code, output } = await run(
      `for (let n = 0; n < 5; n += 1) { await wait(120); await new Promise((r) => setTimeout(r, 30)); }
       console.log('done'); return 0;`,
    );
    expect({ code, output }).toEqual({ code: 0, output: 'done\n' });
  });

  it('ends the process with 70 and what it waited for, when nothing can wake it', async () => {
    const { code, output } = await run(
      `await awaiting('the replica', () => new Promise(() => undefined)); return 0;`,
    );
    expect(code).toBe(70);
    expect(output).toContain('it waited for the replica, that nothing could bring any more');
  });

  it('ends the process with 70 when only background tasks are left for too long', async () => {
    const { code, output } = await run(
      `wait(600_000); await awaiting('a login', () => new Promise(() => undefined)); return 0;`,
      'idleLimitMs: 300,',
    );
    expect(code).toBe(70);
    expect(output).toContain('it waited for a login');
  });

  it('has its error explained', async () => {
    expect(await run(`await wait(20); throw new Error('no');`)).toEqual({
      code: 3,
      output: 'explained: no\n',
    });
  });

  it('leaves the exit code alone when it resolves with none', async () => {
    expect(await run(`process.exitCode = 9; return undefined;`)).toEqual({ code: 9, output: '' });
  });
});

describe('a pause', () => {
  it('keeps the process by itself', async () => {
    const program = `
      import { pause, systemTimerClock } from './src/shared/timer-clock.ts';
      pause(systemTimerClock, 300).then(() => console.log('over'));`;
    expect(await startEntry(['-e', program]).ended).toEqual({ code: 0, output: 'over\n' });
  });
});
