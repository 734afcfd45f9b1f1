import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import Joi from 'joi';
import { roles, type Role } from '../shared/services/authenticator.js';
import { DATA_FILES } from './data-dir.js';
import { ignoring } from '../shared/errors/error-code.js';
import { writePrivateFile } from './private-file.js';

/** Secrets of a development stack; made once for a data folder. */
export interface DevSecrets {
  /** A bearer token for each role. */
  readonly keys: Readonly<Record<Role, string>>;
  /** 32 bytes, base64. */
  readonly signingKey: string;
}

const token = (role: Role) => Joi.string().pattern(new RegExp(`^spk_dev-${role}_[\\w-]{43}$`));
const schema = Joi.object<DevSecrets>({
  keys: Joi.object(Object.fromEntries(roles.map((role) => [role, token(role).required()]))).required(),
  signingKey: Joi.string().required(),
});

/** @throws {Error} if the file is not as we wrote it */
export async function openSecrets(dataDir: string): Promise<DevSecrets> {
  const path = join(dataDir, DATA_FILES.secrets);
  const stored = await readFile(path, 'utf8').catch(ignoring('ENOENT'));
  if (stored !== undefined) return parseSecrets(path, stored);

  const secrets = generateSecrets();
  await writePrivateFile(path, `${JSON.stringify(secrets, null, 2)}\n`);
  return secrets;
}

function parseSecrets(path: string, text: string): DevSecrets {
  try {
    return Joi.attempt<Joi.ObjectSchema<DevSecrets>>(JSON.parse(text), schema);
  } catch (error) {
    // Not the message of the error: it may quote what it found.
    throw new Error(`${path} is damaged or of an earlier version; --reset starts from empty data`, {
      cause: error,
    });
  }
}

function generateSecrets(): DevSecrets {
  const key = (role: Role): string => `spk_dev-${role}_${randomBytes(32).toString('base64url')}`;
  return {
    keys: { viewer: key('viewer'), operator: key('operator'), admin: key('admin') },
    signingKey: randomBytes(32).toString('base64'),
  };
}
