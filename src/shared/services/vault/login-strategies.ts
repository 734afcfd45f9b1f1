import { ReplyFields } from './reply-fields.js';
import type { Tenure } from './renewal.js';
import type { VaultClient } from './vault-client.js';
import { VaultError } from './vault-error.js';
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
}

const operation = 'login';

export interface AppRoleLoginOptions {
  /** Where the method is mounted, usually `approle`. */
  readonly mount: string;
  readonly roleId: string;
  readonly secretId: string;
}

export function appRoleLogin({ mount, roleId, secretId }: AppRoleLoginOptions): LoginStrategy {
  const path = vaultPath('auth', mount, 'login');
  return {
    method: 'approle',
    login: async (client, signal) =>
      grantOf(await client.write(path, { role_id: roleId, secret_id: secretId }, { operation, signal })),
  };
}

export interface WrappedSecretIdLoginOptions {
  readonly mount: string;
  readonly roleId: string;
  /** The role whose secret id must be in the wrapping, by name. */
  readonly roleName: string;
  readonly wrappingToken: string;
}

/**
 * AppRole with a response-wrapped secret id. The wrapping must say that it was made by this role's own secret-id
 * endpoint, or anybody could pass us a secret id of theirs; and it opens once, so failing means that somebody else
 * may have opened it.
 */
export function wrappedSecretIdLogin(options: WrappedSecretIdLoginOptions): LoginStrategy {
  const { mount, roleId, roleName, wrappingToken } = options;
  const creationPath = vaultPath('auth', mount, 'role', roleName, 'secret-id');
  let inner: LoginStrategy | undefined;

  const unwrap = async (client: VaultClient, signal: AbortSignal): Promise<string> => {
    const seen = await client.write(
      vaultPath('sys/wrapping/lookup'),
      { token: wrappingToken },
      { operation: 'wrapping.lookup', signal },
    );
    const madeAt = ReplyFields.of('wrapping.lookup', seen).record('data').string('creation_path');
    if (madeAt !== creationPath)
      throw new VaultError('wrapping.lookup', 'denied', { reason: 'CREATION_PATH' });
    const opened = await client.write(
      vaultPath('sys/wrapping/unwrap'),
      {},
      { operation: 'wrapping.unwrap', token: wrappingToken, signal },
    );
    return ReplyFields.of('wrapping.unwrap', opened).record('data').string('secret_id');
  };

  return {
    method: 'approle-wrapped',
    login: async (client, signal) => {
      inner ??= appRoleLogin({ mount, roleId, secretId: await unwrap(client, signal) });
      return inner.login(client, signal);
    },
  };
}

export interface KubernetesLoginOptions {
  readonly mount: string;
  readonly role: string;
  /** Read at every login, because the kubelet replaces the token. */
  readonly readJwt: () => Promise<string>;
}

export function kubernetesLogin({ mount, role, readJwt }: KubernetesLoginOptions): LoginStrategy {
  const path = vaultPath('auth', mount, 'login');
  return {
    method: 'kubernetes',
    login: async (client, signal) => {
      const jwt = await readJwt().catch(() => {
        // Not Vault's absence, so that nothing may stand in for its answers.
        throw new VaultError(operation, 'denied', { reason: 'NO_JWT' });
      });
      return grantOf(await client.write(path, { role, jwt: jwt.trim() }, { operation, signal }));
    },
  };
}

/** A token that somebody gave us; once it is over there is no other. */
export function tokenLogin(token: string): LoginStrategy {
  return {
    method: 'token',
    login: async (client, signal) => {
      const reply = await client.read(vaultPath('auth/token/lookup-self'), { operation, token, signal });
      const data = ReplyFields.of(operation, reply).record('data');
      return { token, ttlMs: data.number('ttl') * 1000, renewable: data.isTrue('renewable') };
    },
  };
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
