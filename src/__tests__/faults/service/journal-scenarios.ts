import { strict as assert } from 'node:assert';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { waitUntil } from '../../../dev/wait-until.js';
import type { Measurements } from '../scenario.js';
import { jsonOf, type Reply } from './http-caller.js';
import { impatient, queueWrites } from './queueing.js';
import { describeFindings } from './service-checker.js';
import type { ServiceLab } from './service-lab.js';
import type { ServiceScenario } from './service-scenario.js';
import { bodyOf } from './store-body.js';
import { totals } from './stop-scenarios.js';

const timeoutMs = 30_000;
/** The service looks every second whether the replica has what was carried out. */
const confirmMs = 3_000;

async function secondProcess(lab: ServiceLab): Promise<Measurements> {
  const second = await lab.another('a second process');
  const startedAtMs = performance.now();
  second.launch();
  const { code, signal } = await second.ended();
  const endedMs = performance.now() - startedAtMs;
  assert.equal(signal, null, 'it ends by itself');
  assert.ok(code !== 0, 'it says by its exit code that it did not start');
  assert.match(second.describe(), /journal/i, 'it says what is wrong');
  assert.equal((await lab.recorder().create()).answer?.status, 201, 'the first one goes on');
  return { endedMs, 'exit code': code ?? 0 };
}

async function keyReused(lab: ServiceLab): Promise<Measurements> {
  const post = (key: string, code: string, name: string): Promise<Reply> =>
    lab.ask('POST', '/api/stores', {
      body: bodyOf('create', code, name, lab.personal),
      headers: { 'idempotency-key': key },
    });
  const expectReuse = async (key: string, code: string, when: string): Promise<void> => {
    const reply = await post(key, code, 'another body');
    assert.equal(reply.status, 422, `another body is refused ${when}`);
    assert.equal(jsonOf(reply)['code'], 'idempotency_key_reused');
  };
  const mark = randomUUID().slice(0, 8).toUpperCase();
  const [done, queued] = [`K${mark}-1`, `K${mark}-2`];
  assert.equal((await post(done, done, 'the body')).status, 201);
  await expectReuse(done, done, 'while the database is there');
  await lab.cluster.primary.kill();
  const first = await post(queued, queued, 'the body');
  const again = await post(queued, queued, 'the body');
  assert.equal(first.status, 202);
  assert.equal(again.status, 202);
  assert.equal(jsonOf(again)['id'], jsonOf(first)['id'], 'the same key and body are the same operation');
  await expectReuse(queued, queued, 'while the first is queued');
  await lab.cluster.primary.start();
  await waitUntil(
    'the operation to end',
    async () => {
      const reply = await lab.ask('GET', `/api/operations/${String(jsonOf(first)['id'])}`);
      return jsonOf(reply)['status'] === 'SUCCEEDED';
    },
    { timeoutMs },
  );
  await expectReuse(queued, queued, 'after it was carried out');
  const replay = await post(queued, queued, 'the body');
  assert.ok([201, 202].includes(replay.status), 'its replay is answered');
  const rows = await lab.cluster.administer(
    lab.cluster.primary,
    `SELECT FROM stores WHERE code LIKE 'K${mark}-%' AND name = 'the body'`,
  );
  assert.equal(rows.length, 2, 'each was made once');
  return { stores: rows.length, 'status of the replay': replay.status };
}

/** The database refuses one store for no reason that is known to anybody. */
async function poison(lab: ServiceLab): Promise<Measurements> {
  const { cluster } = lab;
  const { primary } = cluster;
  const recorder = lab.recorder();
  await cluster.administer(
    primary,
    `CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'poison' USING ERRCODE = 'XX000'; END $$`,
  );
  await cluster.administer(
    primary,
    `CREATE TRIGGER poison BEFORE INSERT ON stores FOR EACH ROW
       WHEN (NEW.code = '${recorder.prefix}-1') EXECUTE FUNCTION refuse_poison()`,
  );
  try {
    await primary.kill();
    const poisoned = await recorder.create();
    const behind = await recorder.replace(poisoned);
    await queueWrites(recorder, 20, 2);
    await primary.start();
    const backAtMs = performance.now();
    await recorder.followOperations(timeoutMs * 2);
    const settledMs = performance.now() - backAtMs;
    assert.equal(poisoned.operation?.status, 'PARKED', 'the poison is parked, and says so');
    assert.equal(behind.operation?.status, 'PARKED', 'what builds on it is parked with it');
    const others = recorder.writes.filter((write) => write !== poisoned && write !== behind);
    assert.ok(
      others.every(({ operation }) => operation?.status === 'SUCCEEDED'),
      'the others proceed',
    );
    const verdict = await lab.judge(recorder);
    const { abandoned, ...rest } = verdict;
    assert.equal(abandoned.length, 2, abandoned.join('; '));
    const findings = describeFindings({ ...rest, abandoned: [] });
    assert.equal(findings, '', findings);
    return { settledMs, parked: 2, proceeded: others.length };
  } finally {
    await cluster.mend();
    await cluster.administer(cluster.primary, 'DROP FUNCTION refuse_poison CASCADE');
  }
}

/** More than the journal may hold is refused, and there is room again when it was worked off. */
async function journalFull(lab: ServiceLab): Promise<Measurements> {
  const { primary } = lab.cluster;
  const recorder = lab.recorder();
  await primary.kill();
  const answers = [];
  for (let count = 0; count < 30; count += 1) {
    answers.push((await recorder.create({ isKeyed: false })).answer);
  }
  const accepted = answers.filter((answer) => answer?.status === 202).length;
  const refused = answers.filter((answer) => answer?.code === 'journal_full').length;
  assert.equal(accepted, 20, 'what there is room for is accepted');
  assert.equal(refused, 10, 'the rest is told why');
  await primary.start();
  await recorder.followOperations(timeoutMs);
  // room is kept for what is carried out until the replica has it as well
  await delay(confirmMs);
  await primary.kill();
  assert.equal((await recorder.create()).answer?.status, 202, 'there is room again');
  await primary.start();
  return { accepted, refused, ...(await totals(lab, recorder)) };
}

export const journalScenarios: readonly ServiceScenario[] = [
  { number: '29', name: 'service: two processes on one journal', run: secondProcess },
  {
    number: '30',
    name: 'service: same key, other body, also while queued',
    options: { environment: impatient },
    run: keyReused,
  },
  { number: '31', name: 'service: a poison entry', options: { environment: impatient }, run: poison },
  {
    number: '28f',
    name: 'service: journal full',
    options: { environment: { ...impatient, JOURNAL_MAX_ENTRIES: '20' } },
    run: journalFull,
  },
];
