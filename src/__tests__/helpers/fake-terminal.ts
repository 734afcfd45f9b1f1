import { EventEmitter } from 'node:events';

export type FakeTerminal = NodeJS.WriteStream & {
  /** Everything written so far, with escape codes. */
  text(): string;
};

/** Stands in for `process.stdout` of a terminal, or of a pipe. */
export function fakeTerminal({ isTTY = true }: { isTTY?: boolean } = {}): FakeTerminal {
  let written = '';
  const terminal = Object.assign(new EventEmitter(), {
    isTTY,
    columns: 120,
    rows: 40,
    writable: true,
    write: (chunk: string | Uint8Array): boolean => {
      written += chunk.toString();
      return true;
    },
    text: () => written,
  });
  return terminal as unknown as FakeTerminal;
}
