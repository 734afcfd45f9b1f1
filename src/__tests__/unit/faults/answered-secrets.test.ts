import { afterEach, describe, expect, it } from '@jest/globals';
import { VaultAdmin } from '../../../dev/vault/vault-admin.js';
import { LabVault } from '../../faults/service/lab-vault.js';

let vault: LabVault | undefined;

afterEach(async () => {
  await vault?.close();
});

describe('a Vault of the lab', () => {
  it('tells of every token, secret id and key that it gives away', async () => {
    const told: string[] = [];
    vault = await LabVault.start({ onSecret: (_name, value) => told.push(value) });
    const { VAULT_ROLE_ID: role_id, VAULT_SECRET_ID: secret_id } = vault.environment;
    expect(told).toEqual([secret_id]);
    const [token, plaintext, opened] = await VaultAdmin.use(vault.access, async (admin) => {
      const login = await admin.ask('auth/approle/login', { role_id, secret_id });
      const key = (await admin.ask('transit/datakey/plaintext/store-platform', {})).record('data');
      const batch_input = [{ ciphertext: key.string('ciphertext') }];
      const batch = await admin.ask('transit/decrypt/store-platform', { batch_input });
      const [item] = batch.record('data').records('batch_results');
      return [
        login.record('auth').string('client_token'),
        key.string('plaintext'),
        item?.string('plaintext'),
      ];
    });
    expect(opened).toBe(plaintext);
    expect(told).toEqual([secret_id, token, plaintext, plaintext]);
  });
});
