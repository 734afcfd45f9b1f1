import { strict as assert } from 'node:assert';
import { waitUntil } from '../../../dev/wait-until.js';
import type { Misdeed } from '../../../dev/vault/misbehaviour.js';
import type { Measurements } from '../scenario.js';
import { jsonOf, type Reply, type Silence } from './http-caller.js';
import { HttpCaller } from './http-caller.js';
import type { ServiceLab } from './service-lab.js';
import type { ServiceScenario } from './service-scenario.js';
import { bodyOf } from './store-body.js';
import { totals } from './stop-scenarios.js';

const callsEach = 6;
const recoveryMs = 60_000;
/** How long the decision about a key may be believed without asking again. */
const validityMs = 30_000;

/** @param mark to be found in whatever they answer */
const misdeeds = (mark: string): readonly Misdeed[] => [
  { kind: 'status', status: 500, errors: [mark] },
  { kind: 'status', status: 503, errors: [mark] },
  { kind: 'status', status: 403, errors: [`permission denied: ${mark}`] },
  { kind: 'status', status: 429, retryAfter: '1' },
  { kind: 'hang' },
  { kind: 'reset' },
  { kind: 'malformed', text: mark },
  { kind: 'truncated', text: mark },
  { kind: 'redirect', location: `http://127.0.0.1:1/v1/secret/${mark}` },
  { kind: 'oversized', bytes: 2_000_000, text: mark },
];

/** Reads and writes at once, with keys that nobody has decided about yet. */
async function callWithFreshKeys(
  lab: ServiceLab,
  http: HttpCaller,
  keys: readonly string[],
): Promise<string[]> {
  const replies = await Promise.all(
    keys.map((key, index) =>
      index % 2 === 0
        ? http.call('GET', '/api/stores', { key })
        : http.call('POST', '/api/stores', {
            key,
            body: bodyOf('create', `SEC-${lab.random.between(1, 1e9)}`, 'unseen', lab.personal),
          }),
    ),
  );
  return replies.map(describe);
}

function describe(reply: Reply | Silence): string {
  if (typeof reply === 'string') return reply;
  const { code = '' } = jsonOf(reply) as { code?: string };
  return `${reply.status} ${code}`;
}

async function nobodyIsLetIn(lab: ServiceLab): Promise<Measurements> {
  const { vault } = lab;
  const http = new HttpCaller(lab.service.port);
  const counts = { calls: 0, denied: 0 };
  const deny = async (what: string): Promise<void> => {
    const keys = await Promise.all(Array.from({ length: callsEach }, () => vault.freshKey()));
    await begin[what]?.();
    const answers = await callWithFreshKeys(lab, http, keys);
    const others = answers.filter((answer) => answer !== '503 security_unavailable');
    counts.calls += answers.length;
    counts.denied += answers.length - others.length;
    assert.deepEqual(others, [], `every call is denied: ${what}`);
    await vault.mend();
  };
  const begin: Record<string, () => void | Promise<void>> = {
    ...Object.fromEntries(
      misdeeds(lab.mark('a wrong answer of Vault')).map((misdeed, index) => [
        `${misdeed.kind} ${index}`,
        () => void vault.server.misbehaviour.begin({ pathPrefix: 'secret/data/api-keys', misdeed }),
      ]),
    ),
    sealed: () => {
      vault.server.state.isSealed = true;
    },
    'black hole': () => vault.proxy.setMode({ kind: 'black-hole' }),
    gone: () => vault.proxy.setMode({ kind: 'refuse' }),
  };
  try {
    for (const what of Object.keys(begin)) await deny(what);
    const recoveredMs = await untilLetIn(lab, http);
    return { misdeeds: Object.keys(begin).length, ...counts, recoveredMs };
  } finally {
    http.close();
  }
}

async function untilLetIn({ vault }: ServiceLab, http: HttpCaller): Promise<number> {
  const sinceMs = performance.now();
  const key = await vault.freshKey();
  await waitUntil(
    'a new key to be let in again',
    async () => describe(await http.call('GET', '/api/stores', { key })).startsWith('200'),
    { timeoutMs: recoveryMs },
  );
  return performance.now() - sinceMs;
}

/** Under load: keys that were decided about count for their time, and no longer. */
async function believedForATime(lab: ServiceLab): Promise<Measurements> {
  const recorder = await lab.load(4);
  lab.vault.server.state.isSealed = true;
  const sealedAtMs = performance.now();
  const deniedAtMs = await waitUntil(
    'known keys to be denied',
    () =>
      recorder.writes.findLast(
        ({ answer, caller }) => caller === 'operator' && answer?.code === 'security_unavailable',
      )?.answer?.atMs,
    { timeoutMs: 2 * validityMs },
  );
  const lastAtMs = Math.max(
    ...recorder.writes.map(({ answer }) => (answer && answer.status < 300 ? answer.atMs : 0)),
  );
  assert.ok(lastAtMs - sealedAtMs <= validityMs + 500, 'nobody is believed for longer than that');
  await lab.vault.mend();
  await lab.untilReady();
  return {
    deniedMs: deniedAtMs - sealedAtMs,
    'last let inMs': lastAtMs - sealedAtMs,
    ...(await totals(lab, recorder)),
  };
}

export const securityScenarios: readonly ServiceScenario[] = [
  { number: '41', name: 'service: nobody can be identified', run: nobodyIsLetIn },
  { number: '41t', name: 'service: Vault sealed beyond the validity of keys', run: believedForATime },
];
