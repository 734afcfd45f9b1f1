import { TRANSIT_KEY } from '../../../dev/vault/provision-vault.js';
import { platformPolicy } from '../../../dev/vault/platform-policy.js';
import { VaultAdmin } from '../../../dev/vault/vault-admin.js';
import type { FaultCluster } from '../../helpers/fault-cluster.js';
import type { LabVault } from './lab-vault.js';

const username = 'lab_static';
const databaseRole = 'app';
const connection = 'store-platform';

/**
 * Lets Vault change the password of one login every `period`, such as `5s`, for a Vault that makes logins already.
 * @returns variables that make a service use that login
 */
export async function provisionStaticLogin(
  cluster: FaultCluster,
  vault: LabVault,
  period: string,
): Promise<Record<string, string>> {
  const { user } = cluster.forVault().admin;
  const [known] = await cluster.administer(
    cluster.primary,
    `SELECT FROM pg_roles WHERE rolname = '${username}'`,
  );
  if (!known) {
    await cluster.administer(cluster.primary, `CREATE ROLE ${username} LOGIN IN ROLE store_platform_rw`);
    await cluster.administer(cluster.primary, `GRANT ${username} TO ${user} WITH ADMIN OPTION`);
  }
  await VaultAdmin.use(vault.access, async (admin) => {
    const policy = platformPolicy({ transitKey: TRANSIT_KEY, databaseRole });
    const more = `path "database/static-creds/${databaseRole}" { capabilities = ["read"] }\n`;
    await admin.write('sys/policies/acl/store-platform', { policy: policy + more });
    await admin.write(`database/static-roles/${databaseRole}`, {
      db_name: connection,
      username,
      rotation_period: period,
    });
  });
  return { VAULT_DATABASE_ROLE: databaseRole, VAULT_DATABASE_ROLE_KIND: 'static' };
}
