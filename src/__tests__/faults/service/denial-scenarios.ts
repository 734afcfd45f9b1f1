import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import { waitUntil } from '../../../dev/wait-until.js';
import type { Measurements } from '../scenario.js';
import { jsonOf } from './http-caller.js';
import { MetricsPage } from './metrics-page.js';
import type { ServiceLab } from './service-lab.js';
import type { ServiceProcess } from './service-process.js';
import type { ServiceScenario } from './service-scenario.js';
import { bodyOf } from './store-body.js';
import { totals } from './stop-scenarios.js';

const clients = 4;
const timeoutMs = 30_000;
const signingKey = 'secret/data/store-platform/signing-key';
const login = 'database/creds';
const denials = [
  { pathPrefix: signingKey, status: 403 },
  { pathPrefix: signingKey, status: 404 },
  { pathPrefix: login, status: 403 },
  { pathPrefix: login, status: 404 },
] as const;

/** Another process, to which the environment gives everything that it may. */
async function withFallback(lab: ServiceLab, name: string): Promise<ServiceProcess> {
  const { username, password } = new URL(lab.cluster.appUrl(lab.cluster.primary));
  const key = Buffer.alloc(32, lab.mark('a signing key of the environment').slice(-32)).toString('base64');
  lab.canaries.guard('a signing key of the environment', key);
  return lab.another(name, {
    JOURNAL_DIR: join(lab.folder, name.replaceAll(' ', '-')),
    VAULT_FALLBACK: 'database,signing-key',
    SIGNING_KEY: key,
    DATABASE_FALLBACK_USERNAME: decodeURIComponent(username),
    DATABASE_FALLBACK_PASSWORD: decodeURIComponent(password),
  });
}

const usesEnvironment = (line: string): boolean => line.includes('"source":"env"');

/** Vault says no at the start: the process ends, and what the environment has is not used. */
async function denied(lab: ServiceLab, denial: (typeof denials)[number]): Promise<void> {
  const { pathPrefix, status } = denial;
  const errors = [lab.mark('a wrong answer of Vault')];
  const end = lab.vault.server.misbehaviour.begin({
    pathPrefix,
    misdeed: { kind: 'status', status, errors },
  });
  const service = await withFallback(lab, `a service that is answered ${status}`);
  service.launch();
  const late = setTimeout(() => void service.kill('SIGKILL'), timeoutMs);
  const { code } = await service.ended();
  clearTimeout(late);
  end();
  assert.equal(code, 1, `${pathPrefix} answered ${status}: the process ends by itself`);
  assert.deepEqual(service.lines.filter(usesEnvironment), [], 'nothing comes from the environment');
}

async function fallbacksOf(lab: ServiceLab, service: ServiceProcess): Promise<number> {
  return (await MetricsPage.read(lab, service)).sum('vault_fallbacks_total', 'source="env"');
}

/** Tries to create a store; what came of it. */
async function create(lab: ServiceLab, service: ServiceProcess): Promise<string> {
  const body = bodyOf('create', `DENIED-${lab.random.between(1, 1e9)}1`, 'unseen', lab.personal);
  const reply = await lab.ask('POST', '/api/stores', { body }, service);
  return `${reply.status} ${String(jsonOf(reply)['code'])}`;
}

async function noFallback(lab: ServiceLab): Promise<Measurements> {
  for (const denial of denials) await denied(lab, denial);

  const { proxy, server } = lab.vault;
  const relieved = await withFallback(lab, 'a service that gets what it needs');
  const refused = await withFallback(lab, 'a service that is refused');
  await proxy.setMode({ kind: 'refuse' });
  await Promise.all([relieved.start(), refused.start()]);
  for (const service of [relieved, refused]) {
    assert.equal(await fallbacksOf(lab, service), 2, 'both secrets come from the environment');
    assert.equal(await create(lab, service), '503 security_unavailable', 'who may call never does');
  }

  // each asks for a login again and again: the one is answered when the other was refused
  const misdeed = { kind: 'status', status: 403, errors: [lab.mark('a wrong answer of Vault')] } as const;
  const end = server.misbehaviour.begin({ pathPrefix: login, times: 1, misdeed });
  await proxy.setMode({ kind: 'pass' });
  const backAtMs = performance.now();
  const events = async (service: ServiceProcess, name: string, ...labels: string[]): Promise<number> =>
    (await MetricsPage.read(lab, service)).sum(name, ...labels);
  const isDenied = async (service: ServiceProcess): Promise<boolean> =>
    (await events(service, 'vault_security_events_total', 'event="fallback_denied"')) === 1;
  const isGiven = async (service: ServiceProcess): Promise<boolean> =>
    (await events(service, 'vault_rotations_total')) === 1;
  const [withdrawn, served] = await waitUntil(
    'one to be refused and the other to be given a login',
    async () => {
      for (const [one, other] of [
        [relieved, refused],
        [refused, relieved],
      ] as const) {
        if ((await isDenied(one)) && (await isGiven(other))) return [one, other] as const;
      }
      return undefined;
    },
    { timeoutMs, intervalMs: 100 },
  );
  const decidedMs = performance.now() - backAtMs;
  end();

  await waitUntil(
    'callers to be told apart',
    async () => (await isKnown(lab, withdrawn)) && isKnown(lab, served),
    {
      timeoutMs,
      intervalMs: 100,
    },
  );
  const answer = await create(lab, withdrawn);
  assert.match(answer, /^(202|503)/, 'what Vault has refused is not used any more');
  const recorder = lab.recorder(served);
  recorder.start(clients);
  await waitUntil('writes to flow', () => recorder.acknowledged() > 3 * clients, { timeoutMs });
  return { denials: denials.length, 'fallbacks while away': 2, decidedMs, ...(await totals(lab, recorder)) };
}

async function isKnown(lab: ServiceLab, service: ServiceProcess): Promise<boolean> {
  const { status } = await lab.ask('GET', '/health', {}, service);
  return status === 200;
}

export const denialScenarios: readonly ServiceScenario[] = [
  {
    number: '38',
    name: 'service: 403 and 404 are no reason to use the environment',
    options: { hasVaultLogins: true },
    run: noFallback,
  },
];
