import { describe, it } from '@jest/globals';
import { findRealVault } from './real-vault.js';
import { describeVaultContract } from './vault.contract.js';

const real = await findRealVault(process.env);

if (real) {
  describeVaultContract(real.name, real.start);
} else {
  describe.skip('the Vault contract, real server', () => {
    it('(skipped: set VAULT_ADDR and VAULT_TOKEN, or put bao or vault on the PATH)', () => undefined);
  });
}
