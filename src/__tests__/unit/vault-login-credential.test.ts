import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LoginCredential } from '../../shared/services/vault/login-credential.js';
import { failureOf } from '../helpers/failure-of.js';
import { removeTemporaryFolders, useTemporaryFolder } from '../helpers/temporary-folder.js';

afterEach(removeTemporaryFolders);

describe('a credential', () => {
  it('that was given by value is new until it was taken', async () => {
    const credential = LoginCredential.of('value');
    expect(await credential.isNew()).toBe(true);
    expect(await credential.take()).toBe('value');
    expect(await credential.isNew()).toBe(false);
  });

  it('that never was in its file is a denial, so that nothing stands in for Vault', async () => {
    const credential = LoginCredential.inFile('/nowhere/at/all');
    expect(await credential.isNew()).toBe(false);
    const expected = { name: 'VaultError', failure: 'denied', reason: 'NO_CREDENTIAL', isUnavailable: false };
    expect(await failureOf(credential.take())).toMatchObject(expected);
  });

  it('whose file is gone is what was read at the start', async () => {
    const credential = LoginCredential.inFile('/nowhere/at/all', 'at the start');
    expect(await credential.take()).toBe('at the start');
  });

  it('in a file is what stood there last, without the line end, whatever happens to the file', async () => {
    const path = join(await useTemporaryFolder(), 'secret');
    const content = fc.oneof(fc.constant(undefined), fc.constantFrom('', '\n', 'one', 'two\n', 'three'));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(content, fc.boolean()), { maxLength: 12 }), async (steps) => {
        const credential = LoginCredential.inFile(path, 'at the start');
        let expected = 'at the start';
        let taken: string | undefined;
        for (const [text, isTaken] of steps) {
          await (text === undefined ? rm(path, { force: true }) : writeFile(path, text));
          const held = text?.trim() ?? '';
          if (held !== '') expected = held;
          expect(await credential.isNew()).toBe(expected !== taken);
          if (isTaken) {
            taken = await credential.take();
            expect(taken).toBe(expected);
          }
        }
      }),
      { numRuns: 50 },
    );
  });
});
