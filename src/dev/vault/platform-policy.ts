/** What the service asks Vault for; docs/adr/0008-vault.md. */
export interface PlatformPaths {
  readonly transitKey: string;
  /** Absent where Vault makes no logins for the database. */
  readonly databaseRole?: string;
}

/**
 * The least that the service needs. No `create` on encryption, which would turn a mistyped name into a key, and nothing
 * that writes.
 */
export function platformPolicy({ transitKey, databaseRole }: PlatformPaths): string {
  const rules: Readonly<Record<string, string>> = {
    'secret/data/api-keys/*': 'read',
    'secret/data/store-platform/*': 'read',
    [`transit/encrypt/${transitKey}`]: 'update',
    [`transit/decrypt/${transitKey}`]: 'update',
    [`transit/rewrap/${transitKey}`]: 'update',
    [`transit/datakey/plaintext/${transitKey}`]: 'update',
    ...(databaseRole !== undefined && { [`database/creds/${databaseRole}`]: 'read' }),
    // Not in Vault's default policy, as renewal is.
    'sys/leases/revoke': 'update',
  };
  return Object.entries(rules)
    .map(([path, capability]) => `path "${path}" { capabilities = ["${capability}"] }\n`)
    .join('');
}
