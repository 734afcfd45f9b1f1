import { readFileSync } from 'node:fs';
import { codeOf } from '../shared/errors/error-code.js';

/**
 * Names the processes that started us: our parent and, where that is the shell which npm runs a script in, npm. The
 * name changes when one of them ends. npm and its shell pass few signals on: when only one of them is told to stop,
 * this is how we get to know.
 */
export function nameAncestors(parentPid = process.ppid): string {
  const [, name = '', grandparentPid = ''] = /\((.*)\) \S+ (\d+)/.exec(readStatus(parentPid)) ?? [];
  const isShell = /^(ba|da|z|k|a)?sh$/.test(name);
  return isShell ? `${parentPid}, ${grandparentPid}` : String(parentPid);
}

/** Only Linux has it: elsewhere the parent must do. */
function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH') return '';
    throw error;
  }
}
