/** Where a secret came from: Vault itself, our own memory of what Vault said, or the process environment. */
export type SecretSource = 'vault' | 'cache' | 'env';

/** What the Vault parts log with; winston's logger is one. Fields never hold values of secrets. */
export interface VaultLog {
  info(message: string, fields: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
  error(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** Names of what is counted and measured; a label is a fixed word or a configured name, never a value. */
export interface VaultMetrics {
  count(name: VaultCounter, labels: Readonly<Record<string, string>>): void;
  gauge(name: VaultGauge, value: number, labels: Readonly<Record<string, string>>): void;
}

export type VaultCounter =
  | 'vault_secret_reads_total'
  | 'vault_fallbacks_total'
  | 'vault_logins_total'
  | 'vault_renewals_total'
  | 'vault_rotations_total'
  | 'vault_security_events_total'
  | 'caller_look_ups_total';

export type VaultGauge = 'vault_lease_expires_timestamp_seconds' | 'vault_callers_readable';

export const noMetrics: VaultMetrics = { count: () => undefined, gauge: () => undefined };
