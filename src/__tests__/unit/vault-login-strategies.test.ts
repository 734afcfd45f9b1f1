import { afterEach, describe, expect, it } from '@jest/globals';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LoginCredential } from '../../shared/services/vault/login-credential.js';
import {
  appRoleLogin,
  kubernetesLogin,
  tokenLogin,
  wrappedSecretIdLogin,
} from '../../shared/services/vault/login-strategies.js';
import { vaultPath } from '../../shared/services/vault/vault-path.js';
import { failureOf } from '../helpers/failure-of.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { removeTemporaryFolders, useTemporaryFolder } from '../helpers/temporary-folder.js';
import { useVaultBench } from '../helpers/vault-bench.js';

const { start, bench } = useVaultBench();

afterEach(removeTemporaryFolders);

describe('logins', () => {
  const wrap = async (path: string): Promise<string> => {
    const reply = await bench().admin.write(vaultPath(path), {}, { ...bench().root, wrapTtlSeconds: 60 });
    return (reply.body?.['wrap_info'] as { token: string }).token;
  };
  const inFolder = async (name: string, content: string): Promise<string> => {
    const path = join(await useTemporaryFolder(), name);
    await writeFile(path, content);
    return path;
  };
  /** The wrapping is made after the service, so it comes from a file, too. */
  const useWrapping = async () => {
    const path = await inFolder('wrapping', '');
    const login = ({ roleId }: { roleId: string }) =>
      wrappedSecretIdLogin({
        mount: 'approle',
        roleId,
        roleName: 'platform',
        wrappingToken: LoginCredential.inFile(path),
      });
    return { path, login };
  };
  const wrappedPath = 'auth/approle/role/platform/secret-id';
  const newSecretId = async (): Promise<string> => {
    const reply = await bench().admin.write(vaultPath(wrappedPath), {}, bench().root);
    return (reply.body?.['data'] as { secret_id: string }).secret_id;
  };
  const end = async (secretId: string): Promise<void> => {
    await bench().admin.write(vaultPath(`${wrappedPath}/destroy`), { secret_id: secretId }, bench().root);
    await bench().revokeTokens();
  };
  const notThere = { failure: 'not_found' };

  it('with a wrapped secret id open the wrapping once, and can be repeated', async () => {
    const { path, login } = await useWrapping();
    const { service } = await start({ login });
    await writeFile(path, await wrap(wrappedPath));
    bench().vault.requests.length = 0;
    await failureOf(service.readSecret('app/x'));
    await bench().revokeTokens();
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject({ failure: 'not_found' });
    expect(bench().seen('sys/wrapping/unwrap')).toBe(1);
    expect(bench().seen('auth/approle/login')).toBe(2);
  });

  it('with a wrapping that was made elsewhere are refused before it is opened', async () => {
    const { path, login } = await useWrapping();
    const { service } = await start({ login });
    await writeFile(path, await wrap('sys/wrapping/wrap'));
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject({
      failure: 'denied',
      reason: 'CREATION_PATH',
    });
    expect(bench().seen('sys/wrapping/unwrap')).toBe(0);
  });

  it('with a wrapping that somebody opened already are refused', async () => {
    const { path, login } = await useWrapping();
    const { service, admin, recorder } = await start({ login });
    const wrappingToken = await wrap(wrappedPath);
    await writeFile(path, wrappingToken);
    await admin.write(vaultPath('sys/wrapping/unwrap'), {}, { operation: 'theft', token: wrappingToken });
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject({ failure: 'rejected', status: 400 });
    expect(recorder.counted('vault_security_events_total', { event: 'login_refused' })).toBe(1);
  });

  it('with a spent wrapping go on as soon as the file holds another', async () => {
    const { path, login } = await useWrapping();
    const { service, admin } = await start({ login });
    const spent = await wrap(wrappedPath);
    await admin.write(vaultPath('sys/wrapping/unwrap'), {}, { operation: 'restart', token: spent });
    await writeFile(path, spent);
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject({ failure: 'rejected' });
    await writeFile(path, await wrap(wrappedPath));
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject(notThere);
  });

  it('with another wrapping open it, and after one that does not open keep the secret id they have', async () => {
    const { path, login } = await useWrapping();
    const { service } = await start({ login });
    await writeFile(path, await wrap(wrappedPath));
    await failureOf(service.readSecret('app/x'));
    await writeFile(path, await wrap('sys/wrapping/wrap'));
    await bench().revokeTokens();
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject({ reason: 'CREATION_PATH' });
    await writeFile(path, await wrap(wrappedPath));
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject(notThere);
    await rm(path);
    await bench().revokeTokens();
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject(notThere);
  });

  it('with a secret id in a file read it every time, so that a rotated one needs no restart', async () => {
    const path = await inFolder('secret-id', '');
    const { service } = await start({
      login: ({ roleId }) =>
        appRoleLogin({ mount: 'approle', roleId, secretId: LoginCredential.inFile(path) }),
    });
    const former = await newSecretId();
    await writeFile(path, `${former}\n`);
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject(notThere);
    await writeFile(path, await newSecretId());
    await end(former);
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject(notThere);
  });

  it('that were refused are not repeated before their time, unless a file holds something else', async () => {
    const clock = new ManualClock();
    const path = await inFolder('role-id', 'wrong');
    let goodRoleId = '';
    const { service } = await start({
      clock,
      login: ({ roleId, secretId }) => {
        goodRoleId = roleId;
        return appRoleLogin({ mount: 'approle', roleId: LoginCredential.inFile(path), secretId });
      },
    });
    for (let call = 0; call < 3; call += 1) {
      expect(await failureOf(service.readSecret('app/x'))).toMatchObject({ status: 400 });
    }
    expect(bench().seen('auth/approle/login')).toBe(1);
    await writeFile(path, goodRoleId);
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject(notThere);
    expect(bench().seen('auth/approle/login')).toBe(2);
  });

  it('whose file was replaced while they were on their way are made again at once', async () => {
    const path = await inFolder('secret-id', 'former');
    const { service } = await start({
      login: ({ roleId, secretId }) => {
        const inner = appRoleLogin({ mount: 'approle', roleId, secretId: LoginCredential.inFile(path) });
        return {
          ...inner,
          login: (client, signal) =>
            inner.login(client, signal).catch(async (error: unknown) => {
              await writeFile(path, secretId);
              throw error;
            }),
        };
      },
    });
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject(notThere);
    expect(bench().seen('auth/approle/login')).toBe(2);
  });

  it('with a token in a file take the one that is there now', async () => {
    const path = await inFolder('token', 'hvs.former');
    const { service } = await start({
      rootToken: 'hvs.current',
      login: () => tokenLogin(LoginCredential.inFile(path)),
    });
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject({ failure: 'denied' });
    await writeFile(path, 'hvs.current\n');
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject(notThere);
  });

  it('by Kubernetes read the service account token every time', async () => {
    const path = await inFolder('jwt', 'good\n');
    const { service, admin, root } = await start({
      reviewJwt: (jwt) =>
        Promise.resolve(/^(good|fresh)$/.test(jwt) ? { namespace: 'shop', name: 'platform' } : undefined),
      login: () =>
        kubernetesLogin({ mount: 'kubernetes', role: 'platform', jwt: LoginCredential.inFile(path) }),
    });
    await admin.write(vaultPath('sys/auth/kubernetes'), { type: 'kubernetes' }, root);
    const role = {
      bound_service_account_names: 'platform',
      bound_service_account_namespaces: 'shop',
      token_policies: 'platform',
    };
    await admin.write(vaultPath('auth/kubernetes/role/platform'), role, root);
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject(notThere);
    await writeFile(path, 'outdated');
    await bench().revokeTokens();
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject({ failure: 'denied' });
    await writeFile(path, 'fresh\n');
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject(notThere);
  });

  it('with a given token do not revoke it at the end', async () => {
    const { vault, service } = await start({ rootToken: 'hvs.given', login: () => tokenLogin('hvs.given') });
    await failureOf(service.readSecret('app/x'));
    await service.close();
    expect(vault.state.tokens.find('hvs.given')).toBeDefined();
  });
});
