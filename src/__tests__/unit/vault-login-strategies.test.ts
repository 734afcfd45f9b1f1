import { describe, expect, it } from '@jest/globals';
import {
  kubernetesLogin,
  tokenLogin,
  wrappedSecretIdLogin,
  type LoginStrategy,
} from '../../shared/services/vault/login-strategies.js';
import { vaultPath } from '../../shared/services/vault/vault-path.js';
import { failureOf } from '../helpers/failure-of.js';
import { useVaultBench } from '../helpers/vault-bench.js';

const { start, bench } = useVaultBench();

describe('logins', () => {
  const wrap = async (path: string): Promise<string> => {
    const reply = await bench().admin.write(vaultPath(path), {}, { ...bench().root, wrapTtlSeconds: 60 });
    return (reply.body?.['wrap_info'] as { token: string }).token;
  };
  let wrappingToken = '';
  /** The token to unwrap is made after the service, so it is looked at when it is needed. */
  const wrappedLogin = ({ roleId }: { roleId: string }): LoginStrategy => {
    let strategy: LoginStrategy | undefined;
    return {
      method: 'approle-wrapped',
      login: (client, signal) => {
        strategy ??= wrappedSecretIdLogin({ mount: 'approle', roleId, roleName: 'platform', wrappingToken });
        return strategy.login(client, signal);
      },
    };
  };

  it('with a wrapped secret id open the wrapping once, and can be repeated', async () => {
    const { service } = await start({ login: wrappedLogin });
    wrappingToken = await wrap('auth/approle/role/platform/secret-id');
    bench().vault.requests.length = 0;
    await failureOf(service.readSecret('app/x'));
    await bench().revokeTokens();
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject({ failure: 'not_found' });
    expect(bench().seen('sys/wrapping/unwrap')).toBe(1);
    expect(bench().seen('auth/approle/login')).toBe(2);
  });

  it('with a wrapping that was made elsewhere are refused before it is opened', async () => {
    const { service } = await start({ login: wrappedLogin });
    wrappingToken = await wrap('sys/wrapping/wrap');
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject({
      failure: 'denied',
      reason: 'CREATION_PATH',
    });
    expect(bench().seen('sys/wrapping/unwrap')).toBe(0);
  });

  it('with a wrapping that somebody opened already are refused', async () => {
    const { service, admin, recorder } = await start({ login: wrappedLogin });
    wrappingToken = await wrap('auth/approle/role/platform/secret-id');
    await admin.write(vaultPath('sys/wrapping/unwrap'), {}, { operation: 'theft', token: wrappingToken });
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject({ failure: 'rejected', status: 400 });
    expect(recorder.counted('vault_security_events_total', { event: 'login_refused' })).toBe(1);
  });

  it('by Kubernetes read the service account token every time', async () => {
    let reads = 0;
    const { service, admin, root } = await start({
      reviewJwt: (jwt) =>
        Promise.resolve(jwt === 'good' ? { namespace: 'shop', name: 'platform' } : undefined),
      login: () =>
        kubernetesLogin({
          mount: 'kubernetes',
          role: 'platform',
          readJwt: () => {
            reads += 1;
            return Promise.resolve('good\n');
          },
        }),
    });
    await admin.write(vaultPath('sys/auth/kubernetes'), { type: 'kubernetes' }, root);
    const role = {
      bound_service_account_names: 'platform',
      bound_service_account_namespaces: 'shop',
      token_policies: 'platform',
    };
    await admin.write(vaultPath('auth/kubernetes/role/platform'), role, root);
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject({ failure: 'not_found' });
    await bench().revokeTokens();
    expect(await failureOf(service.readSecret('app/x'))).toMatchObject({ failure: 'not_found' });
    expect(reads).toBe(2);
  });

  it('with a given token do not revoke it at the end', async () => {
    const { vault, service } = await start({ rootToken: 'hvs.given', login: () => tokenLogin('hvs.given') });
    await failureOf(service.readSecret('app/x'));
    await service.close();
    expect(vault.state.tokens.find('hvs.given')).toBeDefined();
  });
});
