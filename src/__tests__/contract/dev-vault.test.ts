import { DevVault } from '../../dev/vault/dev-vault.js';
import { describeVaultContract } from './vault.contract.js';

describeVaultContract('development Vault', async () => {
  const vault = await DevVault.start();
  const setSealed = (isSealed: boolean) => () => {
    vault.state.isSealed = isSealed;
    return Promise.resolve();
  };
  const postgresUrl = process.env['CONTRACT_POSTGRES_URL'];
  return {
    address: vault.address,
    rootToken: vault.rootToken,
    ...(postgresUrl !== undefined && { postgresUrl }),
    seal: { seal: setSealed(true), unseal: setSealed(false) },
    stop: () => vault.close(),
  };
});
