import { DevVault } from '../../dev/vault/dev-vault.js';
import { describeVaultContract } from './vault.contract.js';

describeVaultContract('development Vault', async () => {
  const vault = await DevVault.start();
  const setSealed = (isSealed: boolean) => () => {
    vault.state.isSealed = isSealed;
    return Promise.resolve();
  };
  return {
    address: vault.address,
    rootToken: vault.rootToken,
    seal: { seal: setSealed(true), unseal: setSealed(false) },
    stop: () => vault.close(),
  };
});
