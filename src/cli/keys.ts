import { SingleBar } from 'cli-progress';
import type { ApiKeyAdministration } from '../shared/services/api-key-administration.js';
import type { Role } from '../shared/services/authenticator.js';
import type { ContactRewrap, RewrapProgress } from '../store-service/services/contact-rewrap.js';
import type { CliProcess } from './program.js';
import { writeTable } from './table.js';

export interface CreateKeyOptions {
  readonly id: string;
  readonly role: Role;
  readonly expires?: Date;
}

/** Prints the key alone on stdout, so that it can be piped to where it is kept. */
export async function createKey(
  apiKeys: ApiKeyAdministration,
  { id, role, expires }: CreateKeyOptions,
  { stdout, stderr }: CliProcess,
): Promise<void> {
  const key = await apiKeys.create({ id, role, ...(expires && { expiresAt: expires }) });
  stdout.write(`${key}\n`);
  stderr.write(`This is the only time the key of ${id} is shown.\n`);
}

export async function listKeys(apiKeys: ApiKeyAdministration, { stdout }: CliProcess): Promise<void> {
  const rows = (await apiKeys.list()).map((key) =>
    key.state === 'malformed'
      ? [key.id, '-', '-', key.state, '-', '-']
      : [key.id, key.role, key.fingerprint, key.state, key.createdAt, key.expiresAt ?? 'never'],
  );
  writeTable(stdout, [['ID', 'ROLE', 'FINGERPRINT', 'STATE', 'CREATED', 'EXPIRES'], ...rows]);
}

export async function revokeKeys(
  apiKeys: ApiKeyAdministration,
  id: string,
  fingerprint: string | undefined,
  { stdout }: CliProcess,
): Promise<void> {
  await apiKeys.revoke(id, fingerprint);
  stdout.write(`Revoked ${fingerprint === undefined ? 'every key' : `the key ${fingerprint}`} of ${id}.\n`);
}

/** @throws {Error} if Vault would not take some contacts, naming their stores; the others are done */
export async function rewrapContacts(rewrap: ContactRewrap, cli: CliProcess): Promise<void> {
  const progress = progressOn(cli);
  try {
    const { rewrapped, refused } = await rewrap.run(progress.update);
    progress.stop();
    cli.stdout.write(`Rewrapped the contacts of ${rewrapped} stores.\n`);
    if (refused.length > 0) {
      throw new Error(`Vault refused the contacts of ${refused.length} stores: ${refused.join(', ')}`);
    }
  } finally {
    progress.stop();
  }
}

/** A bar on a terminal; elsewhere a line for every tenth. */
function progressOn({ stderr }: CliProcess): {
  update: (progress: RewrapProgress) => void;
  stop: () => void;
} {
  if (stderr.isTTY !== true) {
    let shownTenths = -1;
    return {
      update: ({ done, total }) => {
        const tenths = total === 0 ? 10 : Math.floor((done / total) * 10);
        if (tenths > shownTenths) stderr.write(`${done} of ${total} contacts\n`);
        shownTenths = Math.max(shownTenths, tenths);
      },
      stop: () => undefined,
    };
  }
  const bar = new SingleBar({ stream: stderr, format: 'Contacts {bar} {value}/{total}' });
  let isStarted = false;
  return {
    update: ({ done, total }) => {
      if (isStarted) bar.update(done);
      else bar.start(total, done);
      isStarted = true;
    },
    stop: () => {
      bar.stop();
    },
  };
}
