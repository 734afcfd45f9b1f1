import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { environmentSchema, secretNames } from '../../shared/config/environment.js';

interface Described {
  readonly keys: Readonly<
    Record<string, { readonly flags: { default?: string | number; description?: string; presence?: string } }>
  >;
}

function expectedRows(): string[] {
  const { keys } = environmentSchema.describe() as unknown as Described;
  return Object.entries(keys).map(([name, { flags }]) => {
    const file = (secretNames as readonly string[]).includes(name) ? ` (or \`${name}_FILE\`)` : '';
    const value =
      flags.presence === 'required'
        ? 'required'
        : flags.default === undefined
          ? 'none'
          : `\`${String(flags.default)}\``;
    return `| \`${name}\`${file} | ${value} | ${String(flags.description)} |`;
  });
}

/** Tables are padded for reading: what counts is what the cells say. */
function squeeze(line: string): string {
  return line.replace(/ {2,}/g, ' ');
}

function readText(name: string): string {
  return readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8');
}

describe('README.md', () => {
  it('says on which Node the service runs that is not the pinned one, as package.json does', () => {
    const { engines } = JSON.parse(readText('package.json')) as { engines: { node: string } };
    const sentences = readText('README.md').replaceAll(/\s+/g, ' ');
    expect(sentences).toContain(`npm ci --omit=dev\`) needs Node ${engines.node.replace('>=', '')} or newer`);
  });

  it('has a row for every configuration variable, as the schema says it', () => {
    const lines = new Set(readText('README.md').split('\n').map(squeeze));
    expect(expectedRows().filter((row) => !lines.has(row))).toEqual([]);
  });
});
