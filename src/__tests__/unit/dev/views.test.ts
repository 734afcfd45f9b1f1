import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { PlainView } from '../../../dev/plain-view.js';
import { TerminalView } from '../../../dev/terminal-view.js';
import { fakeTerminal } from '../../helpers/fake-terminal.js';

describe('the plain view', () => {
  function capture(): { view: PlainView; text: () => string } {
    const output = new PassThrough({ encoding: 'utf8' });
    return { view: new PlainView(output), text: () => String(output.read() ?? '') };
  }

  it('writes a line for each stage, without escape codes', async () => {
    const { view, text } = capture();
    await view.stage('Database', () => Promise.resolve('127.0.0.1:1'));
    view.print('done');
    expect(text()).toMatch(/^Database: 127\.0\.0\.1:1 \(\d+\.\d s\)\ndone\n$/);
  });

  it('lets the error of a stage pass', async () => {
    const { view, text } = capture();
    await expect(view.stage('Database', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(text()).toBe('');
  });

  it('tells progress in steps, and the end', () => {
    const { view, text } = capture();
    const progress = view.progress('Stores', 25);
    for (let done = 0; done < 25; done += 1) progress.advance();
    progress.stop();
    expect(text().trim().split('\n').at(0)).toBe('Stores: 3 of 25');
    expect(view).toBeDefined();
  });

  it('tells the end of what does not divide into steps', () => {
    const { view, text } = capture();
    const progress = view.progress('Stores', 11);
    for (let done = 0; done < 11; done += 1) progress.advance();
    expect(text().trim().split('\n').at(-1)).toBe('Stores: 11 of 11');
  });
});

describe('the view for a terminal', () => {
  it('shows a spinner, then what came out', async () => {
    const terminal = fakeTerminal();
    const view = new TerminalView(terminal, fakeTerminal());
    await view.stage('Database', () => Promise.resolve('127.0.0.1:1'));
    expect(terminal.text()).toContain('\u001B[');
    expect(stripVTControlCharacters(terminal.text())).toMatch(/✔ Database: 127\.0\.0\.1:1/);
  });

  it('shows which stage failed, and lets its error pass', async () => {
    const terminal = fakeTerminal();
    const view = new TerminalView(terminal, fakeTerminal());
    await expect(view.stage('Database', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(stripVTControlCharacters(terminal.text())).toMatch(/✖ Database/);
  });

  it('shows a bar that fills, and gives the cursor back', () => {
    const terminal = fakeTerminal();
    const view = new TerminalView(terminal, fakeTerminal());
    const progress = view.progress('Stores', 2);
    progress.advance();
    progress.advance();
    progress.stop();
    view.print('done');
    expect(terminal.text()).toContain('2 of 2');
    const [, afterCursor] = terminal.text().split('\u001B[?25h');
    expect(afterCursor).toMatch(/done\n$/);
  });
});
