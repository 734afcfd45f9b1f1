import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parseApiKey } from '../../shared/services/caller-record.js';
import { failureOf } from '../helpers/failure-of.js';
import { removeTemporaryFolders, useTemporaryFolder } from '../helpers/temporary-folder.js';

const script = fileURLToPath(new URL('../../../deploy/compose/secrets/make-secrets.mjs', import.meta.url));
let folder = '';

beforeEach(async () => {
  folder = await useTemporaryFolder();
  await mkdir(join(folder, 'operator'));
});
afterEach(removeTemporaryFolders);

const secret = (name: string): string => readFileSync(join(folder, 'volumes', name), 'utf8');
const keysPath = (): string => join(folder, 'operator', 'api-keys.json');

/** As the container does it, but for the accounts: files can be given away by root alone. */
async function makeSecrets(): Promise<string> {
  const uid = String(process.getuid?.());
  const env = {
    VOLUMES: join(folder, 'volumes'),
    OPERATOR_DIR: join(folder, 'operator'),
    API_PORT: '3100',
    POSTGRES_UID: uid,
    OPENBAO_UID: uid,
    NODE_UID: uid,
  };
  return (await promisify(execFile)(process.execPath, [script], { env })).stdout;
}

/** All that was made: path, mode and content. */
function contents(): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => `${path} ${(statSync(path).mode & 0o777).toString(8)} ${readFileSync(path, 'base64')}`)
    .sort();
}

describe('the secrets of the containers', () => {
  it('are made once, in files that only their owners can read, in folders that only they may enter', async () => {
    const printed = await makeSecrets();
    const made = contents();
    expect(made.filter((line) => !/ 400 |api-keys\.json 600 /.test(line))).toEqual([]);
    for (const volume of readdirSync(join(folder, 'volumes'))) {
      expect(statSync(join(folder, 'volumes', volume)).mode & 0o777).toBe(0o700);
    }
    expect(await makeSecrets()).toBe('');
    expect(contents()).toEqual(made);
    expect(printed).not.toMatch(/spk_|[0-9a-f]{48}/);
  });

  it('lie where they are needed', async () => {
    await makeSecrets();
    const names = readdirSync(join(folder, 'volumes'), { recursive: true }).filter((name) =>
      String(name).includes('/'),
    );
    expect(names.sort()).toEqual([
      'migrations/owner-url',
      'primary/logins-password',
      'primary/owner-password',
      'primary/replication-password',
      'primary/superuser-password',
      'replica/replication-password',
      'vault-setup/key-admin',
      'vault-setup/key-operator',
      'vault-setup/key-viewer',
      'vault-setup/logins-password',
      'vault-setup/secret-id',
      'vault/seal-key',
      'vault/setup-secret-id',
    ]);
    expect(secret('replica/replication-password')).toBe(secret('primary/replication-password'));
    expect(secret('vault-setup/logins-password')).toBe(secret('primary/logins-password'));
    expect(secret('vault-setup/secret-id')).toBe(secret('vault/setup-secret-id'));
    expect(new URL(secret('migrations/owner-url')).password).toBe(secret('primary/owner-password'));
    expect(readFileSync(join(folder, 'volumes/vault/seal-key'))).toHaveLength(32);
  });

  it('are API keys as the service reads them, of which Vault gets to know the hashes', async () => {
    await makeSecrets();
    const { url, keys } = JSON.parse(readFileSync(keysPath(), 'utf8')) as {
      url: string;
      keys: Record<string, string>;
    };
    expect(url).toBe('http://127.0.0.1:3100');
    expect(Object.keys(keys)).toEqual(['viewer', 'operator', 'admin']);
    for (const [role, key] of Object.entries(keys)) {
      const parsed = parseApiKey(key);
      expect(parsed?.id).toBe(`compose-${role}`);
      expect(secret(`vault-setup/key-${role}`)).toBe(parsed?.secretHash.toString('hex'));
      expect(createHash('sha256').update(key.split('_').slice(2).join('_')).digest('hex')).toBe(
        secret(`vault-setup/key-${role}`),
      );
    }
  });

  it('are completed where a run was stopped, and corrected where a copy differs', async () => {
    await makeSecrets();
    const made = contents();
    rmSync(join(folder, 'volumes/replica/replication-password'));
    writeFileSync(join(folder, 'volumes/replica/.replication-password.new'), 'half');
    rmSync(join(folder, 'volumes/vault-setup/secret-id'));
    rmSync(join(folder, 'volumes/migrations/owner-url'));
    writeFileSync(join(folder, 'volumes/migrations/owner-url'), 'postgresql://half', { mode: 0o400 });
    await makeSecrets();
    expect(contents()).toEqual(made);
  });

  it('outlive the volumes in the file of the operator, whose keys stay valid then', async () => {
    await makeSecrets();
    const [keys, hash] = [readFileSync(keysPath(), 'utf8'), secret('vault-setup/key-admin')];
    rmSync(join(folder, 'volumes'), { recursive: true });
    await makeSecrets();
    expect(readFileSync(keysPath(), 'utf8')).toBe(keys);
    expect(secret('vault-setup/key-admin')).toBe(hash);
  });

  it('are made anew when the operator removes that file', async () => {
    await makeSecrets();
    const hash = secret('vault-setup/key-admin');
    rmSync(keysPath());
    await makeSecrets();
    expect(secret('vault-setup/key-admin')).not.toBe(hash);
  });

  it.each(['', '{', 'null', '{"keys":{"viewer":"spk_compose-viewer_short"}}'])(
    'are not taken from a file that makes no sense: %s',
    async (content) => {
      writeFileSync(keysPath(), content);
      const error = await failureOf(makeSecrets());
      expect(error).toMatchObject({ code: 1 });
      expect(String((error as { stderr?: string }).stderr)).toContain(
        'mend it, or remove it to get new keys',
      );
      expect(readFileSync(keysPath(), 'utf8')).toBe(content);
    },
  );
});
