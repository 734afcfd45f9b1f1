import { strict as assert } from 'node:assert';
import type { TransitEngine } from '../../../dev/vault/engines/transit.js';
import { TRANSIT_KEY } from '../../../dev/vault/provision-vault.js';
import { VaultAdmin } from '../../../dev/vault/vault-admin.js';
import type { EncryptedField } from '../../../shared/services/field-cipher.js';
import { FieldEncryption } from '../../../shared/services/field-encryption.js';
import { InMemoryMetrics } from '../../../shared/metrics/in-memory-metrics.js';
import type { FaultCluster } from '../../helpers/fault-cluster.js';
import type { Measurements } from '../scenario.js';
import { jsonOf } from './http-caller.js';
import type { HttpRecorder } from './http-recorder.js';
import { MetricsPage } from './metrics-page.js';
import { runCommand } from './run-command.js';
import type { ServiceLab } from './service-lab.js';
import type { ServiceScenario } from './service-scenario.js';
import { totals } from './stop-scenarios.js';
import { watchedLog } from './watched-log.js';

/** Each process of the service makes a key of its own: so many are in a batch. */
const processes = 3;
/** Every tenth store of a recorder has a contact. */
const storesEach = 30;
/** Both are met: OpenBao answers 400 to a batch with a bad item, some versions of Vault 200. */
const batchStatuses = [400, 200] as const;
const metric = 'vault_security_events_total';

interface StoredContact {
  readonly id: string;
  readonly contact: EncryptedField & { readonly key: string };
}

async function contactsOf({ cluster }: ServiceLab, { prefix }: HttpRecorder): Promise<StoredContact[]> {
  return cluster.administer<StoredContact>(
    cluster.primary,
    `SELECT id::text, contact FROM stores WHERE code LIKE '${prefix}-%' AND contact IS NOT NULL ORDER BY code`,
  );
}

/** Changes stores without a new version, as nobody may but a superuser. */
async function withoutGuards(cluster: FaultCluster, sql: string): Promise<void> {
  await cluster.administer(cluster.primary, `SET LOCAL session_replication_role = replica; ${sql}`);
}

/** As a fault of the storage would: the wrapped key is one that Vault never made. */
async function damage({ cluster }: ServiceLab, { id, contact: { key } }: StoredContact): Promise<void> {
  const at = key.length - 8;
  const changed = key.slice(0, at) + (key[at] === 'A' ? 'B' : 'A') + key.slice(at + 1);
  await cluster.administer(
    cluster.primary,
    `UPDATE stores SET contact = contact || '{"key": "${changed}"}' WHERE id = '${id}'`,
  );
}

/** All contacts at once, with one request for all their keys: what comes of the damaged one is not the others' business. */
async function openAll(lab: ServiceLab, contacts: readonly StoredContact[], badId: string): Promise<number> {
  const engine = lab.vault.server.state.findEngine('transit/decrypt')?.engine as TransitEngine;
  const log = watchedLog(lab.canaries, 'the log of the encryption');
  for (const status of batchStatuses) {
    engine.partialFailureStatus = status;
    const metrics = new InMemoryMetrics();
    const vault = lab.vault.open({ log, metrics });
    const asked = lab.vault.server.requests.length;
    const fields = new FieldEncryption({ transit: vault.transit, log, metrics });
    const opened = await fields.decryptMany(
      contacts.map(({ id, contact }) => ({ field: contact, context: id })),
    );
    await vault.close();
    const bad = contacts.filter((_contact, index) => opened[index]?.ok !== true).map(({ id }) => id);
    assert.deepEqual(bad, [badId], `only the damaged one cannot be opened (batch answered ${status})`);
    const right = opened.filter((field) => field.ok && field.plaintext.includes(lab.personal.email)).length;
    assert.equal(right, contacts.length - 1, 'the others are as they were written');
    const requests = lab.vault.server.requests.slice(asked).filter(({ path }) => path.includes('/decrypt/'));
    assert.equal(requests.length, 1, 'one request for all keys');
    assert.equal(metrics.valueOf(metric, { event: 'decryption_refused' }), 1, 'somebody should look at it');
  }
  return batchStatuses.length;
}

async function oneBadItem(lab: ServiceLab): Promise<Measurements> {
  const { cluster } = lab;
  // what other scenarios have left behind is under keys of Vaults that are gone
  await withoutGuards(cluster, 'UPDATE stores SET contact = NULL WHERE contact IS NOT NULL');
  const recorder = lab.recorder();
  for (let process = 0; process < processes; process += 1) {
    if (process > 0) await lab.service.restart();
    await lab.untilReady();
    for (let count = 0; count < storesEach; count += 1) await recorder.create();
  }
  const before = await contactsOf(lab, recorder);
  assert.equal(new Set(before.map(({ contact }) => contact.key)).size, processes, 'several keys');
  const bad = before[lab.random.between(0, before.length - 1)];
  assert.ok(bad);
  await damage(lab, bad);
  const contacts = await contactsOf(lab, recorder);
  const batches = await openAll(lab, contacts, bad.id);

  await VaultAdmin.use(lab.vault.access, (admin) => admin.write(`transit/keys/${TRANSIT_KEY}/rotate`, {}));
  const { code, stdout, stderr } = await runCommand(lab, 'keys', 'rewrap');
  assert.equal(code, 1, 'the command says that not all is well');
  assert.match(stdout, /Rewrapped the contacts of \d+ stores\./);
  assert.ok(stderr.includes(bad.id), 'and names the store');
  assert.ok(!contacts.some(({ id }) => id !== bad.id && stderr.includes(id)), 'and no other');
  const after = await contactsOf(lab, recorder);
  const fresh = after.filter(({ contact }) => contact.key.startsWith('vault:v2:')).map(({ id }) => id);
  assert.deepEqual(
    fresh,
    contacts.map(({ id }) => id).filter((id) => id !== bad.id),
    'the others are under the new version of the key',
  );

  await lab.service.restart();
  await lab.untilReady();
  for (const { id } of after) {
    const reply = await lab.ask('GET', `/api/stores/${id}`);
    const { contact, code: problem } = jsonOf(reply);
    if (id === bad.id)
      assert.equal(`${reply.status} ${String(problem)}`, '500 contact_unreadable', 'it cannot be read');
    else assert.deepEqual(contact, lab.personal, 'the others can');
  }
  const page = await MetricsPage.read(lab);
  assert.equal(
    page.sum(metric, 'event="decryption_refused"'),
    1,
    'refused by Vault, which is a security event',
  );
  assert.equal(page.sum(metric, 'event="field_refused"'), 1);
  return {
    contacts: after.length,
    keys: processes,
    batches,
    rewrapped: fresh.length,
    bad: 1,
    ...(await totals(lab, recorder)),
  };
}

export const batchScenarios: readonly ServiceScenario[] = [
  { number: '40', name: 'service: one damaged key among those of a batch', run: oneBadItem },
];
