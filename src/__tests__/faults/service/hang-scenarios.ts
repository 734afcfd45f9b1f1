import { strict as assert } from 'node:assert';
import { setTimeout as delay } from 'node:timers/promises';
import { waitUntil } from '../../../dev/wait-until.js';
import type { Measurements } from '../scenario.js';
import { HttpCaller, jsonOf, type Reply, type Silence } from './http-caller.js';
import type { ServiceLab } from './service-lab.js';
import type { ServiceScenario } from './service-scenario.js';
import { bodyOf } from './store-body.js';
import { totals } from './stop-scenarios.js';

const callers = 120;
const clients = 4;
/** Connections that the service has to Vault at most. */
const maxSockets = 32;
const vaultTimeoutMs = 2_000;
/** The deadline of a call, what its breaker grants beside, and what a busy machine takes. */
const callerLimitMs = vaultTimeoutMs + 500 + 1_500;
/** Of a write that is made, and that the journal should have kept for a while as well. */
const protectMs = 2_000;
const refusalLimitMs = 500;
const timeoutMs = 20_000;

interface Timed {
  readonly answer: string;
  readonly tookMs: number;
}

/** Only a problem has a code of its own. */
function describe(reply: Reply): string {
  return reply.status < 400 ? String(reply.status) : `${reply.status} ${String(jsonOf(reply)['code'])}`;
}

async function timed(reply: Promise<Reply | Silence>): Promise<Timed> {
  const startedAtMs = performance.now();
  const got = await reply;
  const answer = typeof got === 'string' ? got : describe(got);
  return { answer, tookMs: performance.now() - startedAtMs };
}

const longest = (calls: readonly Timed[]): number => Math.max(...calls.map(({ tookMs }) => tookMs));

/** Some who call again and again, for long enough to meet several trials. */
async function crowd(calls: readonly (() => Promise<Timed>)[]): Promise<Timed[]> {
  const endMs = performance.now() + 2 * vaultTimeoutMs;
  const repeat = async (call: () => Promise<Timed>): Promise<Timed[]> => {
    const made: Timed[] = [];
    while (performance.now() < endMs) {
      made.push(await call());
      await delay(20);
    }
    return made;
  };
  return (await Promise.all(calls.map(repeat))).flat();
}

/** Vault accepts every connection and answers nothing. */
async function hanging(lab: ServiceLab): Promise<Measurements> {
  const { vault } = lab;
  const http = new HttpCaller(lab.service.port, callers + 4);
  const strangers = await Promise.all(Array.from({ length: callers + 8 }, () => vault.freshKey()));
  const key = vault.keyOf('operator');
  assert.equal((await lab.ask('GET', '/api/stores')).status, 200, 'who asks is known from then on');
  let mostSockets = 0;
  const counting = setInterval(() => (mostSockets = Math.max(mostSockets, vault.proxy.open)), 5);
  try {
    vault.server.misbehaviour.begin({ misdeed: { kind: 'hang' } });
    const create = (suffix: string): Promise<Timed> => {
      const code = `HANG-${lab.random.between(1, 1e9)}${suffix}`;
      return timed(
        http.call('POST', '/api/stores', { key, body: bodyOf('create', code, 'hung', lab.personal) }),
      );
    };
    const [asked, contact, plain] = await Promise.all([
      Promise.all(
        strangers
          .slice(0, callers)
          .map((stranger) => timed(http.call('GET', '/api/stores', { key: stranger }))),
      ),
      create('7'),
      create('1'),
    ]);
    assert.deepEqual([...new Set(asked.map(({ answer }) => answer))], ['503 security_unavailable']);
    assert.ok(longest(asked) <= callerLimitMs, `callers wait for ${Math.round(longest(asked))} ms`);
    assert.equal(contact.answer, '503 encryption_unavailable');
    assert.ok(contact.tookMs <= callerLimitMs, 'who writes a contact does not wait for ever');
    assert.equal(plain.answer, '201', 'what needs nothing of Vault is written');
    assert.ok(plain.tookMs <= callerLimitMs + protectMs, 'nor does it wait for ever');
    assert.ok(mostSockets > 0 && mostSockets <= maxSockets, `${mostSockets} connections at once`);

    const freedAtMs = performance.now();
    await waitUntil('the connections that hang to be freed', () => vault.proxy.open <= 1, { timeoutMs });
    const freedMs = performance.now() - freedAtMs;
    const later = await Promise.all(
      strangers
        .slice(callers, callers + 4)
        .map((stranger) => timed(http.call('GET', '/api/stores', { key: stranger }))),
    );
    const refusedAtOnce = later.filter(({ tookMs }) => tookMs <= refusalLimitMs).length;
    assert.ok(refusedAtOnce >= later.length - 1, 'nobody but a trial waits any more');
    mostSockets = 0;
    const crowded = await crowd(
      strangers
        .slice(callers)
        .map((stranger) => () => timed(http.call('GET', '/api/stores', { key: stranger }))),
    );
    const socketsWhileDown = mostSockets;
    assert.ok(longest(crowded) <= callerLimitMs, 'a trial does not wait for ever');
    assert.ok(socketsWhileDown <= 2, `${socketsWhileDown} connections at once while it is down`);

    await vault.mend();
    const mendedAtMs = performance.now();
    const last = strangers.at(-1) ?? '';
    await waitUntil(
      'a new caller to be let in again',
      async () => (await timed(http.call('GET', '/api/stores', { key: last }))).answer === '200',
      { timeoutMs, intervalMs: 100 },
    );
    const recoveredMs = performance.now() - mendedAtMs;
    const recorder = await lab.load(clients);
    return {
      callers,
      longestMs: longest(asked),
      'contact refusedMs': contact.tookMs,
      'written without oneMs': plain.tookMs,
      freedMs,
      'calls while down': crowded.length,
      'connections while down': socketsWhileDown,
      recoveredMs,
      ...(await totals(lab, recorder)),
    };
  } finally {
    clearInterval(counting);
    http.close();
  }
}

export const hangScenarios: readonly ServiceScenario[] = [
  { number: '39', name: 'service: Vault accepts and never answers', run: hanging },
];
