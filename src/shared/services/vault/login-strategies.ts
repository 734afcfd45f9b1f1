import { LoginCredential } from './login-credential.js';
import { ReplyFields } from './reply-fields.js';
import type { Tenure } from './renewal.js';
import type { VaultClient } from './vault-client.js';
import { isVaultRefusal, VaultError } from './vault-error.js';
import { vaultPath } from './vault-path.js';
import type { VaultReply } from './vault-transport.js';

/** A token and how long it lives. */
export interface TokenGrant extends Tenure {
  readonly token: string;
}

/** A way to get a token. It may be asked again at any time, and keeps what it needs for that to itself. */
export interface LoginStrategy {
  readonly method: string;
  /** @throws {VaultError} `rejected` or `denied` for wrong credentials: AppRole answers 400 */
  login(client: VaultClient, signal: AbortSignal): Promise<TokenGrant>;
  /** Whether it has other credentials than at its last login, because their files were written anew. */
  hasNewCredentials(): Promise<boolean>;
}

const operation = 'login';

export interface AppRoleLoginOptions {
  /** Where the method is mounted, usually `approle`. */
  readonly mount: string;
  readonly roleId: string | LoginCredential;
  readonly secretId: string | LoginCredential;
}

export function appRoleLogin({ mount, ...given }: AppRoleLoginOptions): LoginStrategy {
  const roleId = LoginCredential.of(given.roleId);
  const secretId = LoginCredential.of(given.secretId);
  return {
    method: 'approle',
    login: async (client, signal) =>
      appRoleGrant(client, mount, await roleId.take(), await secretId.take(), signal),
    hasNewCredentials: async () => (await roleId.isNew()) || (await secretId.isNew()),
  };
}

export interface WrappedSecretIdLoginOptions {
  readonly mount: string;
  readonly roleId: string | LoginCredential;
  /** The role whose secret id must be in the wrapping, by name. */
  readonly roleName: string;
  readonly wrappingToken: string | LoginCredential;
}

/**
 * AppRole with a response-wrapped secret id. The wrapping must say that it was made by this role's own secret-id
 * endpoint, or anybody could pass us a secret id of theirs; and it opens once, so failing means that somebody else
 * may have opened it. The secret id is kept in memory alone; a wrapping that was put in the place of the former one
 * is opened at the next login.
 */
export function wrappedSecretIdLogin(options: WrappedSecretIdLoginOptions): LoginStrategy {
  const { mount, roleName } = options;
  const roleId = LoginCredential.of(options.roleId);
  const wrappingToken = LoginCredential.of(options.wrappingToken);
  const creationPath = vaultPath('auth', mount, 'role', roleName, 'secret-id');
  let secretId: string | undefined;
  let settledToken: string | undefined;

  const unwrap = async (client: VaultClient, token: string, signal: AbortSignal): Promise<string> => {
    const seen = await client.write(
      vaultPath('sys/wrapping/lookup'),
      { token },
      { operation: 'wrapping.lookup', signal },
    );
    const madeAt = ReplyFields.of('wrapping.lookup', seen).record('data').string('creation_path');
    if (madeAt !== creationPath)
      throw new VaultError('wrapping.lookup', 'denied', { reason: 'CREATION_PATH' });
    const opened = await client.write(
      vaultPath('sys/wrapping/unwrap'),
      {},
      { operation: 'wrapping.unwrap', token, signal },
    );
    return ReplyFields.of('wrapping.unwrap', opened).record('data').string('secret_id');
  };

  return {
    method: 'approle-wrapped',
    login: async (client, signal) => {
      const token = await wrappingToken.take();
      if (secretId === undefined || token !== settledToken) {
        try {
          secretId = await unwrap(client, token, signal);
          settledToken = token;
        } catch (error) {
          // A wrapping that Vault refuses never opens; the secret id of the one before may still be good.
          if (isVaultRefusal(error)) settledToken = token;
          throw error;
        }
      }
      return appRoleGrant(client, mount, await roleId.take(), secretId, signal);
    },
    hasNewCredentials: async () => (await roleId.isNew()) || (await wrappingToken.isNew()),
  };
}

export interface KubernetesLoginOptions {
  readonly mount: string;
  readonly role: string;
  /** The token of the service account, which the kubelet replaces. */
  readonly jwt: LoginCredential;
}

export function kubernetesLogin({ mount, role, jwt }: KubernetesLoginOptions): LoginStrategy {
  const path = vaultPath('auth', mount, 'login');
  return {
    method: 'kubernetes',
    login: async (client, signal) =>
      grantOf(await client.write(path, { role, jwt: await jwt.take() }, { operation, signal })),
    hasNewCredentials: () => jwt.isNew(),
  };
}

/** A token that an operator gave us; once it is over there is no other, unless its file was written anew. */
export function tokenLogin(token: string | LoginCredential): LoginStrategy {
  const given = LoginCredential.of(token);
  return {
    method: 'token',
    login: async (client, signal) => {
      const current = await given.take();
      const reply = await client.read(vaultPath('auth/token/lookup-self'), {
        operation,
        token: current,
        signal,
      });
      const data = ReplyFields.of(operation, reply).record('data');
      return { token: current, ttlMs: data.number('ttl') * 1000, renewable: data.isTrue('renewable') };
    },
    hasNewCredentials: () => given.isNew(),
  };
}

async function appRoleGrant(
  client: VaultClient,
  mount: string,
  roleId: string,
  secretId: string,
  signal: AbortSignal,
): Promise<TokenGrant> {
  const credentials = { role_id: roleId, secret_id: secretId };
  return grantOf(await client.write(vaultPath('auth', mount, 'login'), credentials, { operation, signal }));
}

/** The token of a login's or renewal's answer. @throws {VaultError} `malformed` */
export function grantOf(reply: VaultReply): TokenGrant {
  const auth = ReplyFields.of(operation, reply).record('auth');
  return {
    token: auth.string('client_token'),
    ttlMs: auth.number('lease_duration') * 1000,
    renewable: auth.isTrue('renewable'),
  };
}
