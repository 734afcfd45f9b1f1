import { describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { promisify } from 'node:util';
import { type Paint, paintFor, renderLogLine } from '../../../dev/log-line.js';

const plain: Paint = (_style, text) => text;

const answered = {
  '@timestamp': '2026-11-26T08:21:43.123Z',
  'log.level': 'info',
  message: 'Request answered',
  'http.request.method': 'GET',
  'url.path': '/api/stores',
  'http.response.status_code': 200,
  'event.duration_ms': 1.2,
  'user.id': 'key:dev-viewer',
};

function render(line: object, paint = plain): string | undefined {
  return renderLogLine(JSON.stringify(line), paint);
}

describe('a line of the log for a person', () => {
  it('says who asked for what, what came of it, and how long it took', () => {
    expect(render(answered)).toBe('08:21:43.123 200 GET    /api/stores 1.2 ms key:dev-viewer');
  });

  it('says why and where a request was refused, and which store it made', () => {
    const refused = {
      ...answered,
      'http.request.method': 'POST',
      'http.response.status_code': 422,
      'error.code': 'validation_failed',
      'error.pointers': ['#/name', '#/address/city'],
    };
    expect(render(refused)).toBe(
      '08:21:43.123 422 POST   /api/stores 1.2 ms key:dev-viewer validation_failed #/name #/address/city',
    );
    const created = { ...answered, 'http.response.status_code': 201, 'store.id': 'id-1' };
    expect(render(created)).toContain('key:dev-viewer store id-1');
    expect(render({ ...created, 'url.path': '/api/stores/id-1' })).not.toContain('store id-1');
    expect(render({ ...answered, message: 'Request aborted by the client' })).toContain(' aborted GET');
  });

  it('is made of warnings and errors, too, and of nothing else', () => {
    const warning = { ...answered, 'http.request.method': undefined, 'log.level': 'warn', message: 'Beware' };
    expect(render(warning)).toBe('08:21:43.123 warn  Beware');
    expect(render({ ...warning, 'log.level': 'error', error: { message: 'why' } })).toBe(
      '08:21:43.123 error Beware: why',
    );
    expect(render({ ...warning, 'log.level': 'info' })).toBeUndefined();
  });

  it('steers no terminal, however the path was chosen, and stays short', () => {
    const line = render({ ...answered, 'url.path': `/\u001b[2J\u202e${'a'.repeat(5_000)}` }) ?? '';
    expect(line).toContain('/�[2J�aaa');
    expect(line.length).toBeLessThan(220);
  });

  it('has colours on a terminal alone, unless NO_COLOR is set', async () => {
    expect(render(answered, paintFor(new PassThrough()))).not.toContain('\u001b');
    // a test's process.env is a copy: Node itself looks at the real one
    const module = new URL('../../../dev/log-line.ts', import.meta.url).href;
    const source = `
      import { PassThrough } from 'node:stream';
      import { WriteStream } from 'node:tty';
      import { paintFor, renderLogLine } from '${module}';
      const { getColorDepth } = WriteStream.prototype;
      const terminal = Object.assign(new PassThrough(), { isTTY: true, getColorDepth });
      process.stdout.write(renderLogLine(${JSON.stringify(JSON.stringify(answered))}, paintFor(terminal)));`;
    const run = async (env: Record<string, string>): Promise<string> => {
      const options = { env: { TERM: 'xterm-256color', ...env } };
      const args = ['--input-type=module', '-e', source];
      return (await promisify(execFile)(process.execPath, args, options)).stdout;
    };
    expect(await run({})).toContain('\u001b[32m200\u001b[39m');
    expect(await run({ NO_COLOR: '1' })).not.toContain('\u001b');
  });
});
