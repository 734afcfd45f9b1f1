import Joi from 'joi';

const mount = Joi.string().pattern(/^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/);
const name = Joi.string().pattern(/^[A-Za-z0-9_-]{1,64}$/);

/** Whether there is no more in a URL than where Vault is; what is no URL is another problem. */
function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) return true;
  return url.pathname === '/' && url.search === '' && url.username === '';
}

/** Required with one way to log in, and refused with the others. */
function onlyWith(auth: VaultEnvironment['VAULT_AUTH'], schema: Joi.StringSchema): Joi.StringSchema {
  return schema.when('VAULT_AUTH', { is: auth, then: Joi.required(), otherwise: Joi.forbidden() });
}

/** Secrets that the environment may give while Vault is away; nothing that decides who may call is among them. */
export const fallbackSecrets = ['database', 'signing-key'] as const;
export type FallbackSecret = (typeof fallbackSecrets)[number];

/** How the service reaches Vault, and what it uses there. */
export const vaultVariables = {
  VAULT_ADDR: Joi.string()
    .uri({ scheme: ['http', 'https'] })
    .custom((value: string, helpers) => (isOrigin(value) ? value : helpers.error('vaultAddress')))
    .required()
    .description('Address of Vault or OpenBao'),
  VAULT_NAMESPACE: Joi.string().description('Namespace to work in'),
  VAULT_CACERT: Joi.string().description(
    'File with the certificate authorities to trust instead of the system’s',
  ),
  VAULT_TIMEOUT_MS: Joi.number()
    .integer()
    .min(100)
    .max(60_000)
    .default(2_000)
    .description('Longest wait for one answer of Vault, in ms'),
  VAULT_AUTH: Joi.string()
    .valid('approle', 'wrapped-approle', 'kubernetes', 'token')
    .default('approle')
    .description('How to log in: `approle`, `wrapped-approle`, `kubernetes` or `token`'),
  VAULT_AUTH_MOUNT: mount.description(
    'Where the login method is mounted; `approle` or `kubernetes` unless told',
  ),
  VAULT_ROLE_ID: Joi.string()
    .when('VAULT_AUTH', {
      is: Joi.valid('approle', 'wrapped-approle'),
      then: Joi.required(),
      otherwise: Joi.forbidden(),
    })
    .description('Role id, for both AppRole logins'),
  VAULT_SECRET_ID: onlyWith('approle', Joi.string()).description('Secret id, for `approle`'),
  VAULT_ROLE_NAME: onlyWith('wrapped-approle', name).description(
    'Name of the role that the wrapped secret id must be of, for `wrapped-approle`',
  ),
  VAULT_WRAPPED_SECRET_ID: onlyWith('wrapped-approle', Joi.string()).description(
    'Wrapping token that holds the secret id, for `wrapped-approle`',
  ),
  VAULT_KUBERNETES_ROLE: onlyWith('kubernetes', name).description('Role, for `kubernetes`'),
  VAULT_KUBERNETES_JWT_PATH: Joi.string()
    .default('/var/run/secrets/kubernetes.io/serviceaccount/token')
    .description('File with the service account token, for `kubernetes`'),
  VAULT_TOKEN: onlyWith('token', Joi.string()).description('Token, for `token`'),
  VAULT_KV_MOUNT: mount
    .default('secret')
    .description('Where KV version 2 is mounted: callers and the signing key'),
  VAULT_TRANSIT_MOUNT: mount.default('transit').description('Where Transit is mounted'),
  VAULT_TRANSIT_KEY: name
    .default('store-platform')
    .description('Transit key that wraps the keys of personal data'),
  VAULT_DATABASE_MOUNT: mount.default('database').description('Where the database secrets engine is mounted'),
  VAULT_DATABASE_ROLE: name.description(
    'Role whose logins Vault makes for the database; without it the connection strings must hold the login',
  ),
  VAULT_DATABASE_ROLE_KIND: Joi.string()
    .valid('dynamic', 'static')
    .default('dynamic')
    .description('Whether that role makes logins (`dynamic`) or rotates the password of one (`static`)'),
  VAULT_FALLBACK: Joi.string()
    .pattern(/^(database|signing-key)(,(database|signing-key))*$/)
    .description('Secrets that the environment may give while Vault is away: `database`, `signing-key`'),
} as const;

export interface VaultEnvironment {
  VAULT_ADDR: string;
  VAULT_NAMESPACE?: string;
  VAULT_CACERT?: string;
  VAULT_TIMEOUT_MS: number;
  VAULT_AUTH: 'approle' | 'wrapped-approle' | 'kubernetes' | 'token';
  VAULT_AUTH_MOUNT?: string;
  VAULT_ROLE_ID?: string;
  VAULT_SECRET_ID?: string;
  VAULT_ROLE_NAME?: string;
  VAULT_WRAPPED_SECRET_ID?: string;
  VAULT_KUBERNETES_ROLE?: string;
  VAULT_KUBERNETES_JWT_PATH: string;
  VAULT_TOKEN?: string;
  VAULT_KV_MOUNT: string;
  VAULT_TRANSIT_MOUNT: string;
  VAULT_TRANSIT_KEY: string;
  VAULT_DATABASE_MOUNT: string;
  VAULT_DATABASE_ROLE?: string;
  VAULT_DATABASE_ROLE_KIND: 'dynamic' | 'static';
  VAULT_FALLBACK?: string;
}

/** Variables of Vault that are secrets themselves. */
export const vaultSecretNames = [
  'VAULT_ROLE_ID',
  'VAULT_SECRET_ID',
  'VAULT_WRAPPED_SECRET_ID',
  'VAULT_TOKEN',
] as const;

/** Where the value of a variable came from, if it was a file: it is read again for every login. */
export type LoginFiles = Readonly<Partial<Record<(typeof vaultSecretNames)[number], string>>>;

/** What to log in with, as it was at the start. */
export interface LoginValue {
  readonly value: string;
  readonly path?: string;
}

/** One way to log in, with what it needs. */
export type VaultLoginConfig =
  | {
      readonly method: 'approle';
      readonly mount: string;
      readonly roleId: LoginValue;
      readonly secretId: LoginValue;
    }
  | {
      readonly method: 'wrapped-approle';
      readonly mount: string;
      readonly roleId: LoginValue;
      readonly roleName: string;
      readonly wrappingToken: LoginValue;
    }
  | { readonly method: 'kubernetes'; readonly mount: string; readonly role: string; readonly jwtPath: string }
  | { readonly method: 'token'; readonly token: LoginValue };

export interface VaultConfig {
  readonly address: string;
  readonly namespace?: string;
  /** Path of a PEM file. */
  readonly caPath?: string;
  readonly timeoutMs: number;
  readonly login: VaultLoginConfig;
  readonly kvMount: string;
  readonly transitMount: string;
  readonly transitKey: string;
  readonly databaseMount: string;
  readonly databaseRole?: { readonly kind: 'dynamic' | 'static'; readonly name: string };
  readonly fallback: readonly FallbackSecret[];
}

export function toVaultConfig(env: VaultEnvironment, files: LoginFiles): VaultConfig {
  return {
    address: env.VAULT_ADDR,
    ...(env.VAULT_NAMESPACE !== undefined && { namespace: env.VAULT_NAMESPACE }),
    ...(env.VAULT_CACERT !== undefined && { caPath: env.VAULT_CACERT }),
    timeoutMs: env.VAULT_TIMEOUT_MS,
    login: toLogin(env, files),
    kvMount: env.VAULT_KV_MOUNT,
    transitMount: env.VAULT_TRANSIT_MOUNT,
    transitKey: env.VAULT_TRANSIT_KEY,
    databaseMount: env.VAULT_DATABASE_MOUNT,
    ...(env.VAULT_DATABASE_ROLE !== undefined && {
      databaseRole: { kind: env.VAULT_DATABASE_ROLE_KIND, name: env.VAULT_DATABASE_ROLE },
    }),
    fallback: (env.VAULT_FALLBACK?.split(',') ?? []) as FallbackSecret[],
  };
}

/** The schema has made sure that what a method needs is there. */
function toLogin(env: VaultEnvironment, files: LoginFiles): VaultLoginConfig {
  const given = (name: (typeof vaultSecretNames)[number]): LoginValue => {
    const path = files[name];
    return { value: env[name] ?? '', ...(path !== undefined && { path }) };
  };
  switch (env.VAULT_AUTH) {
    case 'approle':
      return {
        method: 'approle',
        mount: env.VAULT_AUTH_MOUNT ?? 'approle',
        roleId: given('VAULT_ROLE_ID'),
        secretId: given('VAULT_SECRET_ID'),
      };
    case 'wrapped-approle':
      return {
        method: 'wrapped-approle',
        mount: env.VAULT_AUTH_MOUNT ?? 'approle',
        roleId: given('VAULT_ROLE_ID'),
        roleName: env.VAULT_ROLE_NAME ?? '',
        wrappingToken: given('VAULT_WRAPPED_SECRET_ID'),
      };
    case 'kubernetes':
      return {
        method: 'kubernetes',
        mount: env.VAULT_AUTH_MOUNT ?? 'kubernetes',
        role: env.VAULT_KUBERNETES_ROLE ?? '',
        jwtPath: env.VAULT_KUBERNETES_JWT_PATH,
      };
    case 'token':
      return { method: 'token', token: given('VAULT_TOKEN') };
  }
}
