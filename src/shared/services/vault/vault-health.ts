import type { VaultClient } from './vault-client.js';
import { VaultError } from './vault-error.js';
import { vaultPath } from './vault-path.js';

/** What a Vault node says about itself, by the status of `sys/health`. */
export type VaultNodeState =
  | 'active'
  | 'standby'
  | 'performance-standby'
  | 'dr-secondary'
  | 'uninitialised'
  | 'sealed'
  | 'unreachable'
  | 'unknown';

const stateOfStatus: ReadonlyMap<number, VaultNodeState> = new Map<number, VaultNodeState>([
  [200, 'active'],
  [429, 'standby'],
  [472, 'dr-secondary'],
  [473, 'performance-standby'],
  [501, 'uninitialised'],
  [503, 'sealed'],
]);

/** A standby forwards to the active node, so it is as good. */
export function isUsable(state: VaultNodeState): boolean {
  return state === 'active' || state === 'standby' || state === 'performance-standby';
}

/** Asks a node how it is. Never rejects for anything that Vault does: every failure is a state. */
export async function checkNode(client: VaultClient): Promise<VaultNodeState> {
  try {
    const reply = await client.read(vaultPath('sys/health'), {
      operation: 'health',
      accept: (status) => stateOfStatus.has(status),
    });
    return stateOfStatus.get(reply.status) ?? 'unknown';
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
    return error.status === undefined ? 'unreachable' : 'unknown';
  }
}
