import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoring } from '../../shared/errors/error-code.js';
import { writePrivateFile } from '../private-file.js';
import type { Login } from './admin-client.js';

/** Who may log in to the development cluster, and as what. */
export interface ClusterCredentials {
  /** Bootstraps the cluster; the platform never uses it. */
  superuser: Login;
  /** What a standby streams as. */
  replication: Login;
  /** Owns the database and its schema, runs migrations. */
  owner: Login;
  /** The API and workers; rights come from group roles only. */
  app: Login;
}

const FILE = 'credentials.json';
const USERS: Readonly<Record<keyof ClusterCredentials, string>> = {
  superuser: 'cluster_admin',
  replication: 'cluster_replication',
  owner: 'platform_owner',
  app: 'platform_app',
};

function generate(user: string): Login {
  return { user, password: randomBytes(24).toString('base64url') };
}

/** The passwords of the cluster in `folder`; they are kept beside its data and live as long. */
export async function openCredentials(folder: string): Promise<ClusterCredentials> {
  const path = join(folder, FILE);
  const stored = await readFile(path, 'utf8').catch(ignoring('ENOENT'));
  if (stored !== undefined) return JSON.parse(stored) as ClusterCredentials;

  const credentials: ClusterCredentials = {
    superuser: generate(USERS.superuser),
    replication: generate(USERS.replication),
    owner: generate(USERS.owner),
    app: generate(USERS.app),
  };
  await writePrivateFile(path, `${JSON.stringify(credentials, null, 2)}\n`);
  return credentials;
}
