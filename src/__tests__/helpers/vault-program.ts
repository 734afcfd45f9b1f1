import { findProgram } from '../../dev/vault/find-program.js';
import { vaultPrograms } from '../../dev/vault/vault-server.js';
import { onlyWhere } from './only-where.js';

const found = await findProgram(vaultPrograms, process.env['PATH'] ?? '');

/** Declares tests that need `bao` or `vault` on the PATH. */
export const whereVaultProgram = onlyWhere(found !== undefined, 'neither bao nor vault is on the PATH');
