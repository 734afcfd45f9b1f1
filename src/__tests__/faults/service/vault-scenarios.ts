import { strict as assert } from 'node:assert';
import { setTimeout as delay } from 'node:timers/promises';
import { waitUntil } from '../../../dev/wait-until.js';
import type { Measurements } from '../scenario.js';
import type { HttpRecorder } from './http-recorder.js';
import type { ServiceLab } from './service-lab.js';
import type { ServiceScenario } from './service-scenario.js';
import { totals, writesAgain } from './stop-scenarios.js';

const clients = 6;
const timeoutMs = 60_000;

/** Requests that arrived at Vault below a path. */
function asked({ vault }: ServiceLab, prefix: string): number {
  return vault.server.requests.filter(({ path }) => path.startsWith(prefix)).length;
}

function assertNothingFailed({ replies }: HttpRecorder): void {
  const failed = [...replies].filter(([what]) => /no_answer|not_sent| 5\d\d/.test(what));
  assert.deepEqual(failed, [], 'no request fails');
}

/** The rights of the login that is in use are taken away at once, and with them every statement under way. */
async function revokedEarly(
  lab: ServiceLab,
  revoke: (token: string) => Promise<void>,
): Promise<Measurements> {
  const recorder = await lab.load(clients);
  const [logins, mints] = [asked(lab, 'auth/approle/login'), asked(lab, 'database/creds')];
  const revokedAtMs = performance.now();
  for (const token of lab.vault.tokensOfServices) await revoke(token);
  const resumedAtMs = await writesAgain(recorder, performance.now());
  await waitUntil('new credentials', () => asked(lab, 'database/creds') > mints, { timeoutMs });
  await delay(2_000);
  const measured = {
    resumedMs: resumedAtMs - revokedAtMs,
    logins: asked(lab, 'auth/approle/login') - logins,
    mints: asked(lab, 'database/creds') - mints,
  };
  const sums = await totals(lab, recorder);
  assertNothingFailed(recorder);
  assert.equal(measured.mints, 1, 'one login for the database is made');
  return { ...measured, ...sums };
}

export const vaultScenarios: readonly ServiceScenario[] = [
  {
    number: '33',
    name: 'service: login for the database revoked early',
    options: { hasVaultLogins: true },
    run: (lab) => revokedEarly(lab, (token) => lab.vault.server.state.leases.revokeOfToken(token)),
  },
  {
    number: '36',
    name: 'service: token of Vault revoked, and its leases with it',
    options: { hasVaultLogins: true },
    run: (lab) => revokedEarly(lab, (token) => lab.vault.server.state.tokens.revoke(token)),
  },
];
