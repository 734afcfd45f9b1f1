import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { waitUntil } from '../../../dev/wait-until.js';
import { EncryptionUnavailableError, FieldEncryption } from '../../../shared/services/field-encryption.js';
import type { Measurements } from '../scenario.js';
import { jsonOf, type Reply } from './http-caller.js';
import type { HttpRecorder } from './http-recorder.js';
import { madeAfter, mintedAtMs, untilLoginIsOver } from './lease-scenarios.js';
import { countLike, repliesLike } from './replies.js';
import type { ServiceLab } from './service-lab.js';
import type { ServiceScenario } from './service-scenario.js';
import { bodyOf } from './store-body.js';
import { totals, writesAgain } from './stop-scenarios.js';
import { watchedLog } from './watched-log.js';

const clients = 6;
const loginTtlS = 16;
/** A lease gets a new login no more often than this. */
const mintIntervalMs = 30_000;
const marginMs = 10_000;
const goOnMs = 1_500;
/** Of a key in this process; services keep theirs for five minutes. */
const keyLifetimeMs = 1_500;

function describe(reply: Reply): string {
  const { code = '' } = jsonOf(reply) as { code?: string };
  return `${reply.status} ${code}`.trim();
}

/** A key that is at hand encrypts and opens for its time, and no longer. */
async function keyForItsTime(lab: ServiceLab, seal: () => void): Promise<void> {
  const log = watchedLog(lab.canaries, 'the log of the encryption');
  const vault = lab.vault.open({ log });
  const fields = new FieldEncryption({ transit: vault.transit, log, keyLifetimeMs });
  try {
    const field = await fields.encrypt(lab.personal.email, 'a store');
    const takenAtMs = performance.now();
    seal();
    assert.equal(await fields.decrypt(field, 'a store'), lab.personal.email, 'what is at hand opens');
    await fields.encrypt(lab.personal.email, 'another store');
    // not a timer of that length: one of Node's may end up to a millisecond early
    await waitUntil('the key’s time to be over', () => performance.now() >= takenAtMs + keyLifetimeMs, {
      timeoutMs: 2 * keyLifetimeMs,
    });
    await assert.rejects(() => fields.encrypt(lab.personal.email, 'a store'), EncryptionUnavailableError);
    await assert.rejects(() => fields.decrypt(field, 'a store'), EncryptionUnavailableError);
  } finally {
    await vault.close();
  }
}

/** Personal data in the clear, in any column of a store; the files of the services are looked through at the end. */
async function storedInTheClear({ cluster, personal }: ServiceLab): Promise<number> {
  const found = await cluster.administer(
    cluster.primary,
    `SELECT FROM stores WHERE stores::text LIKE '%${personal.email}%' OR stores::text LIKE '%${personal.name}%'`,
  );
  return found.length;
}

function contactsMade({ writes }: HttpRecorder, sinceMs: number): number {
  return writes.filter(
    ({ answer, code, kind, startedAtMs }) =>
      kind !== 'decommission' && code.endsWith('7') && startedAtMs > sinceMs && (answer?.status ?? 999) < 202,
  ).length;
}

async function pastTheLease(lab: ServiceLab): Promise<Measurements> {
  const firstAtMs = mintedAtMs(lab);
  const keyless = await lab.another('a service without a key', {
    JOURNAL_DIR: join(lab.folder, 'another-journal'),
  });
  await keyless.start();
  // who asks is known from then on
  assert.equal((await lab.ask('GET', '/api/stores', {}, keyless)).status, 200);
  const recorder = await lab.load(clients);

  let sealedAtMs = 0;
  const waitingForKey = keyForItsTime(lab, () => {
    lab.vault.server.state.isSealed = true;
    sealedAtMs = performance.now();
  });
  await waitUntil('Vault to be sealed', () => sealedAtMs > 0, { timeoutMs: marginMs });
  const code = `${recorder.prefix}-K`;
  const create = (name: string, suffix: string): Promise<Reply> =>
    lab.ask(
      'POST',
      '/api/stores',
      { body: bodyOf('create', `${code}${name}${suffix}`, 'keyless', lab.personal) },
      keyless,
    );
  const refused = await create('A', '7');
  assert.equal(describe(refused), '503 encryption_unavailable', 'no key, no contact');
  assert.equal((await create('B', '1')).status, 201, 'what holds nothing personal is written');
  const rows = await lab.cluster.administer(
    lab.cluster.primary,
    `SELECT FROM stores WHERE code = '${code}A7'`,
  );
  assert.equal(rows.length, 0, 'nothing of it is stored');
  await waitingForKey;

  const overAtMs = await untilLoginIsOver(lab, loginTtlS * 1_000 + marginMs);
  assert.ok(overAtMs - firstAtMs >= loginTtlS * 1_000 - 500, 'the login is used until its lease ends');
  assert.deepEqual(
    repliesLike(recorder, /^(POST|PUT|DELETE) 503 (?!security)/),
    [],
    'until then nobody notices',
  );
  const contacts = contactsMade(recorder, sealedAtMs);
  assert.ok(contacts > 0, 'contacts are encrypted with the key at hand');
  await delay(goOnMs);
  assert.equal(madeAfter(recorder, overAtMs), 0, 'no write is made with a login that is over');
  const queued = countLike(recorder, / 202/);
  assert.ok(queued > 0, 'writes are accepted for later');

  await lab.vault.mend();
  const limitMs = firstAtMs + mintIntervalMs + marginMs - performance.now();
  const resumedAtMs = await writesAgain(recorder, overAtMs, limitMs);
  await waitUntil('the other service to have a key', async () => (await create('C', '7')).status < 300, {
    timeoutMs: marginMs,
    intervalMs: 200,
  });
  const clear = await storedInTheClear(lab);
  assert.equal(clear, 0, 'no personal data is stored in the clear');
  return {
    'over after the first loginMs': overAtMs - firstAtMs,
    'back after the first loginMs': resumedAtMs - firstAtMs,
    'contacts while sealed': contacts,
    queued,
    'in the clear': clear,
    ...(await totals(lab, recorder)),
  };
}

export const sealedScenarios: readonly ServiceScenario[] = [
  {
    number: '37',
    name: 'service: Vault sealed until after the end of the lease',
    options: { hasVaultLogins: true, loginTtl: `${loginTtlS}s` },
    run: pastTheLease,
  },
];
