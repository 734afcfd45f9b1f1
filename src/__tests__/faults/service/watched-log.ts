import { inspect } from 'node:util';
import type { VaultLog } from '../../../shared/services/vault/vault-ports.js';
import type { CanaryWatch } from './canary-watch.js';

/** For parts of the service in this process: what they log is looked through, and kept nowhere. */
export function watchedLog(canaries: CanaryWatch, place: string): VaultLog {
  const look = (message: string, fields: object): void => {
    canaries.look(place, `${message} ${inspect(fields, { depth: 10 })}`);
  };
  return { info: look, warn: look, error: look };
}
