import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ignoring } from '../../shared/errors/error-code.js';

/** The account that Postgres runs under when we are root, because Postgres refuses to be root. */
export interface ServiceUser {
  uid: number;
  gid: number;
}

/** The traditional "nobody" where the system has no account database, as in a minimal container. */
const NOBODY: ServiceUser = { uid: 65534, gid: 65534 };
const PREFERRED_ACCOUNTS = ['postgres', '_postgres', 'nobody'];

/**
 * Picks the account out of the text of /etc/passwd: `postgres` if there is one, else `nobody`, else any but root,
 * because initdb insists on one that is listed.
 */
export function pickServiceUser(passwd: string): ServiceUser {
  const accounts = passwd.split('\n').flatMap(parseAccount);
  const preferred = PREFERRED_ACCOUNTS.flatMap((name) => accounts.filter((account) => account.name === name));
  const [picked = NOBODY] = [...preferred, ...accounts];
  return { uid: picked.uid, gid: picked.gid };
}

function parseAccount(line: string): (ServiceUser & { name: string })[] {
  const match = /^([^:#]+):[^:]*:(-?\d+):(-?\d+):/.exec(line);
  // macOS gives nobody the id -2, which the kernel knows as 4294967294.
  const [name, uid, gid] = [match?.[1] ?? '', Number(match?.[2]) >>> 0, Number(match?.[3]) >>> 0];
  return uid === 0 ? [] : [{ name, uid, gid }];
}

/** The account to run Postgres under; undefined when we are an ordinary user and run it ourselves. */
export async function findServiceUser(ownUid = process.getuid?.()): Promise<ServiceUser | undefined> {
  if (ownUid !== 0) return undefined;
  const passwd = await readFile('/etc/passwd', 'utf8').catch(ignoring('ENOENT'));
  return passwd === undefined ? NOBODY : pickServiceUser(passwd);
}

/**
 * Whether `user` may enter the existing folder, judged by the permission bits on the way to it.
 * Access lists are not looked at: where they forbid more, Postgres says so itself.
 */
export async function canEnter(folder: string, user: ServiceUser): Promise<boolean> {
  for (let current = await realpath(folder); ; current = dirname(current)) {
    const { uid, gid, mode } = await stat(current);
    const enterBit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    if ((mode & enterBit) === 0) return false;
    if (current === dirname(current)) return true;
  }
}
