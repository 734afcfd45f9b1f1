// Makes what docker-compose.yml runs on: each secret at random, in the volumes of the containers that need it and nowhere
// else. What is there already stays, so this runs at every start, and goes on where a run before it was stopped.
import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { basename, dirname, join } from 'node:path';

const { VOLUMES, OPERATOR_DIR, API_PORT, POSTGRES_UID, OPENBAO_UID, NODE_UID } = process.env;
const [postgres, openbao, node] = [POSTGRES_UID, OPENBAO_UID, NODE_UID].map(Number);
const roles = ['viewer', 'operator', 'admin'];

/** Whole or not at all, whenever the machine stops. */
function write(path, content, { mode, uid, gid }) {
  const unfinished = join(dirname(path), `.${basename(path)}.new`);
  fs.rmSync(unfinished, { force: true });
  const file = fs.openSync(unfinished, 'wx', mode);
  try {
    fs.writeFileSync(file, content);
    fs.fchownSync(file, uid, gid);
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
  fs.renameSync(unfinished, path);
  const folder = fs.openSync(dirname(path), 'r');
  fs.fsyncSync(folder);
  fs.closeSync(folder);
}

function read(path) {
  return fs.existsSync(path) ? fs.readFileSync(path) : undefined;
}

/** A folder that its owner alone may enter. */
function folder(path, uid) {
  fs.mkdirSync(path, { recursive: true });
  fs.chmodSync(path, 0o700);
  fs.chownSync(path, uid, uid);
  const keep = (name, content) => {
    write(join(path, name), content, { mode: 0o400, uid, gid: uid });
  };
  return {
    /** The secret of that name, made if it is missing. */
    secret(name, make) {
      const known = read(join(path, name));
      if (known) return known.toString();
      const made = make();
      keep(name, made);
      console.log(`Made ${basename(path)}/${name}`);
      return made.toString();
    },
    /** What another container has, too. */
    copy(name, content) {
      if (read(join(path, name))?.toString() !== content) keep(name, content);
    },
  };
}

/** The API keys of the operator's file, which is made if it is missing. */
function operatorsKeys() {
  const path = join(OPERATOR_DIR, 'api-keys.json');
  const known = read(path);
  if (known) return keysOf(known.toString(), path);
  const key = (role) => `spk_compose-${role}_${randomBytes(32).toString('base64url')}`;
  const keys = Object.fromEntries(roles.map((role) => [role, key(role)]));
  const { uid, gid } = fs.statSync(OPERATOR_DIR);
  const content = { url: `http://127.0.0.1:${API_PORT}`, keys };
  write(path, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600, uid, gid });
  console.log('Made the API keys: they are in api-keys.json in the folder of the operator');
  return keys;
}

function keysOf(text, path) {
  let keys;
  try {
    ({ keys } = JSON.parse(text));
  } catch {
    keys = undefined;
  }
  const isKey = (role) =>
    new RegExp(`^spk_compose-${role}_[A-Za-z0-9_-]{43}$`).test(Object(keys)[role] ?? '');
  if (roles.every(isKey)) return keys;
  throw new Error(
    `${basename(path)} does not hold a key for each role: mend it, or remove it to get new keys`,
  );
}

const volume = (name, uid) => folder(join(VOLUMES, name), uid);
const password = () => randomBytes(24).toString('hex');

const primary = volume('primary', postgres);
primary.secret('superuser-password', password);
const replication = primary.secret('replication-password', password);
const owner = primary.secret('owner-password', password);
const logins = primary.secret('logins-password', password);
volume('replica', postgres).copy('replication-password', replication);
volume('migrations', node).copy(
  'owner-url',
  `postgresql://platform_owner:${owner}@postgres-primary:5432/store_platform`,
);

const vault = volume('vault', openbao);
vault.secret('seal-key', () => randomBytes(32));
const vaultSetup = volume('vault-setup', node);
vaultSetup.copy('secret-id', vault.secret('setup-secret-id', password));
vaultSetup.copy('logins-password', logins);
for (const [role, key] of Object.entries(operatorsKeys())) {
  // the secret may hold underscores itself
  const secret = key.slice(`spk_compose-${role}_`.length);
  vaultSetup.copy(`key-${role}`, createHash('sha256').update(secret).digest('hex'));
}

// vault-setup puts the logins of these two there
volume('api', node);
volume('cli', node);
