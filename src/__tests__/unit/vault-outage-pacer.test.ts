import { describe, expect, it } from '@jest/globals';
import { OutagePacer } from '../../shared/services/vault/outage-pacer.js';
import { failureOfStatus, VaultError, type VaultFailure } from '../../shared/services/vault/vault-error.js';
import { ManualClock } from '../helpers/manual-clock.js';

describe('pacing', () => {
  const run = async (pacer: OutagePacer, failure: VaultFailure): Promise<void> => {
    const send = () => Promise.reject(new VaultError('kv.read', failure));
    await expect(pacer.run('kv.read', send)).rejects.toMatchObject({ failure });
  };

  it('begins after three failures, whatever single engines answer in between', async () => {
    const pacer = new OutagePacer(new ManualClock());
    for (const failure of ['unreachable', 'server_error', 'timeout', 'server_error', 'sealed'] as const) {
      expect(pacer.isDown).toBe(false);
      await run(pacer, failure);
    }
    expect(pacer.isDown).toBe(true);
  });

  it('does not begin because an engine fails', async () => {
    const pacer = new OutagePacer(new ManualClock());
    for (let call = 0; call < 10; call += 1) await run(pacer, 'server_error');
    expect(pacer.isDown).toBe(false);
  });

  it('starts to count anew after a definite answer', async () => {
    const pacer = new OutagePacer(new ManualClock());
    for (const failure of ['sealed', 'sealed', 'denied', 'sealed', 'sealed'] as const) {
      await run(pacer, failure);
    }
    expect(pacer.isDown).toBe(false);
  });
});

describe('a status', () => {
  it.each([502, 504])('of %i says that Vault cannot be reached, unless it is its own', (status) => {
    expect(failureOfStatus(status, false)).toBe('unreachable');
    expect(failureOfStatus(status, true)).toBe('server_error');
  });
});
