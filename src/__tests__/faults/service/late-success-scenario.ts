import { strict as assert } from 'node:assert';
import { setTimeout as delay } from 'node:timers/promises';
import { waitUntil } from '../../../dev/wait-until.js';
import type { Measurements } from '../scenario.js';
import { HttpCaller, type Reply, type Silence } from './http-caller.js';
import { MetricsPage } from './metrics-page.js';
import { defaultMix } from './mixed-load.js';
import type { ServiceLab } from './service-lab.js';
import type { ServiceScenario } from './service-scenario.js';
import { totals } from './stop-scenarios.js';

const clients = 4;
const timeoutMs = 10_000;
/** Failures in a row that open the breakers in question, and some more. */
const failing = 8;
/** After which both breakers admit a trial: their first wait, jitter included. */
const trialDueMs = 1_250;

/** Where Vault has what is known of callers. */
const records = 'secret/data/api-keys';

/** A call that Vault answers properly, though not before it is told to. */
interface HeldCall {
  readonly reply: Promise<Reply | Silence>;
  release(): void;
}

class Calls {
  readonly #lab: ServiceLab;
  readonly #http: HttpCaller;

  constructor(lab: ServiceLab, http: HttpCaller) {
    this.#lab = lab;
    this.#http = http;
  }

  make(key: string): Promise<Reply | Silence> {
    return this.#http.call('GET', '/api/stores', { key });
  }

  /** Asks, and resolves when Vault holds the question of who that is. */
  async hold(key: string): Promise<HeldCall> {
    const { server } = this.#lab.vault;
    const id = key.split('_')[1] ?? '';
    const { promise: until, resolve: release } = Promise.withResolvers<undefined>();
    server.misbehaviour.begin({ pathPrefix: `${records}/${id}`, misdeed: { kind: 'held', until } });
    const asked = (): number => server.requests.filter(({ path }) => path.endsWith(`/${id}`)).length;
    const before = asked();
    const reply = this.make(key);
    await waitUntil('Vault to be asked', () => asked() > before, { timeoutMs, intervalMs: 2 });
    return {
      reply,
      release: () => {
        release(undefined);
      },
    };
  }

  /** Vault fails whoever is not held yet. @returns ends it */
  fail(): () => void {
    const misdeed = {
      kind: 'status',
      status: 500,
      errors: [this.#lab.mark('a wrong answer of Vault')],
    } as const;
    return this.#lab.vault.server.misbehaviour.begin({ pathPrefix: records, misdeed });
  }
}

function statusOf(reply: Reply | Silence): number | string {
  return typeof reply === 'string' ? reply : reply.status;
}

async function assertState(lab: ServiceLab, expected: string, when: string): Promise<void> {
  const page = await MetricsPage.read(lab);
  for (const breaker of ['security', 'vault-security']) {
    const isSo = page.sum('breaker_state', `breaker="${breaker}"`, `state="${expected}"`) === 1;
    assert.ok(isSo, `${breaker} is ${expected} ${when}`);
  }
}

/** Of both breakers, whatever they have been closed by. */
async function closings(lab: ServiceLab): Promise<number> {
  return (await MetricsPage.read(lab)).sum('breaker_transitions_total', 'security"', 'to="closed"');
}

/**
 * Two questions are under way when Vault begins to fail. Their answers come late, while everybody else is being refused:
 * they count for those who asked, and say nothing of how Vault is now.
 */
async function lateSuccesses(lab: ServiceLab): Promise<Measurements> {
  const http = new HttpCaller(lab.service.port);
  const calls = new Calls(lab, http);
  const keys = await Promise.all(Array.from({ length: failing + 4 }, () => lab.vault.freshKey()));
  const take = (): string => keys.pop() ?? '';
  // those who may write are known, and nobody else asks
  const recorder = await lab.load(clients, { ...defaultMix, intrusions: 0 });
  try {
    const [first, second] = [await calls.hold(take()), await calls.hold(take())];
    const heldAtMs = performance.now();
    const recover = calls.fail();
    const refused = await Promise.all(Array.from({ length: failing }, () => calls.make(take())));
    const openAtMs = performance.now();
    assert.deepEqual(new Set(refused.map(statusOf)), new Set([503]), 'everybody else is refused');
    await assertState(lab, 'open', 'after the failures');

    first.release();
    assert.equal(statusOf(await first.reply), 200, 'a late answer counts for whoever asked');
    await assertState(lab, 'open', 'after an old success');

    await delay(openAtMs + trialDueMs - performance.now());
    const [trialKey, lastKey] = [take(), take()];
    recover();
    const trial = await calls.hold(trialKey);
    await assertState(lab, 'half-open', 'during the trial');
    second.release();
    assert.equal(statusOf(await second.reply), 200);
    const lateMs = performance.now() - heldAtMs;
    await assertState(lab, 'half-open', 'after an old success during the trial');
    assert.equal(await closings(lab), 0, 'no breaker was closed by it');

    trial.release();
    assert.equal(statusOf(await trial.reply), 200);
    await assertState(lab, 'half-open', 'after one successful trial');
    assert.equal(statusOf(await calls.make(lastKey)), 200);
    await assertState(lab, 'closed', 'after two');
    return {
      refused: refused.length,
      'old successes': 2,
      latestMs: lateMs,
      ...(await totals(lab, recorder)),
    };
  } finally {
    http.close();
  }
}

export const lateSuccessScenario: ServiceScenario = {
  number: '22',
  name: 'service: an old success during recovery closes no breaker',
  // an answer may come later than it usually may
  options: { environment: { VAULT_TIMEOUT_MS: '20000' } },
  run: lateSuccesses,
};
