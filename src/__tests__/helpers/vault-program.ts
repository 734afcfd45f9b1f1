import { describe, it } from '@jest/globals';
import { findProgram } from '../../dev/vault/find-program.js';
import { vaultPrograms } from '../../dev/vault/vault-server.js';

const found = await findProgram(vaultPrograms, process.env['PATH'] ?? '');

/** Shown as skipped where neither `bao` nor `vault` is on the PATH. */
export const withVaultProgram = found === undefined ? it.skip : it;

/** The same for several tests. */
export const whereVaultProgram = found === undefined ? describe.skip : describe;
