import { VaultError } from '../../shared/services/vault/vault-error.js';
import { waitUntil } from '../wait-until.js';
import { platformPolicy } from './platform-policy.js';
import { provisionCaller, type VaultCaller } from './provision-callers.js';
import { provisionDatabase, type VaultDatabase } from './provision-database.js';
import { ensureTransitKey, type KeptTransitKey } from './transit-key-store.js';
import { VaultAdmin, type VaultAccess } from './vault-admin.js';

/** What Vault shall hold for the service. */
export interface VaultContents {
  /** 32 bytes, base64. */
  readonly signingKey: string;
  readonly callers: readonly VaultCaller[];
  /** Of an earlier Vault; a new key is made without it. */
  readonly transitKey?: KeptTransitKey;
  /** Whose logins Vault shall make; none without it. */
  readonly database?: VaultDatabase;
}

/** The Transit key of the service. */
export const TRANSIT_KEY = 'store-platform';
const DATABASE_ROLE = 'app';
/** Names the policy and the AppRole. */
const ROLE = 'store-platform';
const SIGNING_KEY = 'store-platform/signing-key';
const KV_UPGRADE_TIMEOUT_MS = 10_000;

/**
 * Makes what the service needs in a Vault. What is there already is brought to the same state, so a Vault serves one stack
 * at a time.
 * @returns the environment with which the service finds and uses it: its own login, not the root token
 * @throws {WrongTransitKeyError} if the data is encrypted with another key
 * @throws {Error} if something else is mounted where an engine should be, or Vault cannot reach the database
 * @throws {VaultError}
 */
export function provisionVault(
  access: VaultAccess,
  contents: VaultContents,
): Promise<Record<string, string>> {
  return VaultAdmin.use(access, async (admin) => {
    const { database } = contents;
    const [, , login] = await Promise.all([
      provisionSecrets(admin, contents),
      provisionTransit(admin, contents),
      provisionLogin(admin, database !== undefined),
      database && provisionDatabase(admin, DATABASE_ROLE, database),
    ]);
    return {
      VAULT_ADDR: access.address,
      ...(access.namespace !== undefined && { VAULT_NAMESPACE: access.namespace }),
      ...(access.caPath !== undefined && { VAULT_CACERT: access.caPath }),
      VAULT_AUTH: 'approle',
      ...login,
      VAULT_TRANSIT_KEY: TRANSIT_KEY,
      ...(database && { VAULT_DATABASE_ROLE: DATABASE_ROLE }),
    };
  });
}

async function provisionSecrets(admin: VaultAdmin, { signingKey, callers }: VaultContents): Promise<void> {
  await admin.ensureMount('mounts', 'secret', 'kv');
  const known = (await readWhenUpgraded(admin, SIGNING_KEY))?.record('data').record('data');
  if (known?.findString('key') !== signingKey) {
    await admin.write(`secret/data/${SIGNING_KEY}`, { data: { key: signingKey } });
  }
  await Promise.all(callers.map((caller) => provisionCaller(admin, caller)));
}

/** A new KV v2 mount answers 400 until it has finished its upgrade. */
async function readWhenUpgraded(admin: VaultAdmin, path: string) {
  const { secret } = await waitUntil(
    'Vault to prepare secret/',
    async () => {
      try {
        return { secret: await admin.find('secret/data', path) };
      } catch (error) {
        if (error instanceof VaultError && error.status === 400) return undefined;
        throw error;
      }
    },
    { timeoutMs: KV_UPGRADE_TIMEOUT_MS },
  );
  return secret;
}

async function provisionTransit(admin: VaultAdmin, { transitKey }: VaultContents): Promise<void> {
  await admin.ensureMount('mounts', 'transit', 'transit');
  await ensureTransitKey(admin, TRANSIT_KEY, transitKey);
}

async function provisionLogin(admin: VaultAdmin, withDatabase: boolean): Promise<Record<string, string>> {
  await admin.ensureMount('auth', 'approle', 'approle');
  const policy = platformPolicy({
    transitKey: TRANSIT_KEY,
    ...(withDatabase && { databaseRole: DATABASE_ROLE }),
  });
  await admin.write(`sys/policies/acl/${ROLE}`, { policy });
  await admin.write(`auth/approle/role/${ROLE}`, {
    token_policies: [ROLE],
    token_ttl: '1h',
    token_max_ttl: '24h',
    // Each start asks for a new one: those of earlier starts go by themselves.
    secret_id_ttl: '768h',
  });
  const role = await admin.read('auth/approle/role', ROLE, 'role-id');
  const secret = await admin.ask(`auth/approle/role/${ROLE}/secret-id`, {});
  return {
    VAULT_ROLE_ID: role.record('data').string('role_id'),
    VAULT_SECRET_ID: secret.record('data').string('secret_id'),
  };
}
