import { strict as assert } from 'node:assert';
import { waitUntil } from '../../dev/wait-until.js';
import { ConnectionManager } from '../../shared/database/connection-manager.js';
import { createDatabaseBreakers } from '../../shared/database/database-breakers.js';
import { proveLogin } from '../../shared/database/prove-login.js';
import { InMemoryMetrics } from '../../shared/metrics/in-memory-metrics.js';
import { Releasers } from '../../shared/releasers.js';
import { VaultLogins } from '../../shared/services/vault-logins.js';
import type { DatabaseConfig } from '../../shared/config/config.js';
import { fastClock } from '../helpers/fast-clock.js';
import type { FaultLab } from './fault-lab.js';
import type { Measurements, Scenario } from './scenario.js';
import { CanaryWatch } from './service/canary-watch.js';
import { LabVault } from './service/lab-vault.js';
import { watchedLog } from './service/watched-log.js';

/** Of the clock of Vault and of whoever keeps its leases; the database and its clients live in real time. */
const factor = 10;
/** Above the 30 s between two logins; renewals cannot prolong it. */
const loginTtl = '60s';
const rotations = 4;
const clients = 8;
const readers = 4;
const vaultTimeoutMs = 2_000;
const timeoutMs = 60_000;
const metric = 'vault_rotations_total';
const labels = { path: 'database/creds/app' };

/** A manager whose logins Vault makes, beside the one of the lab. */
async function withVaultLogins<T>(
  lab: FaultLab,
  work: (parts: {
    readonly manager: ConnectionManager;
    readonly metrics: InMemoryMetrics;
    readonly vault: LabVault;
  }) => Promise<T>,
): Promise<T> {
  const clock = fastClock(factor);
  const canaries = new CanaryWatch();
  const releasers = new Releasers();
  try {
    const vault = await LabVault.start({
      clock,
      database: { ...lab.cluster.forVault(), maxTtl: loginTtl },
      onSecret: (name, value) => {
        canaries.guard(name, value);
      },
    });
    releasers.add('Vault', () => vault.close());
    const metrics = new InMemoryMetrics();
    const log = watchedLog(canaries, 'the log of the rotation');
    const service = vault.open({ clock, metrics, log }, vaultTimeoutMs * factor);
    releasers.add('The service of Vault', () => service.close());

    const config = withoutLogin(lab.config);
    const logins = new VaultLogins((login) => proveLogin(config, login, 'stores'));
    const rotation = service.supplyDatabaseCredentials({ kind: 'dynamic', name: 'app' }, logins);
    logins.onRefused = (credentials) => rotation.reportRefused(credentials);
    await rotation.start();
    const breakers = createDatabaseBreakers(config);
    const manager = new ConnectionManager(config, { probeTable: 'stores', breakers, credentials: logins });
    releasers.add('The database', () => {
      breakers.primary.stop();
      breakers.replica.stop();
      return manager.close(500);
    });
    await manager.start();
    const result = await work({ manager, metrics, vault });
    assert.deepEqual(canaries.leaks, [], 'no password or token is logged');
    return result;
  } finally {
    await releasers.releaseAll();
  }
}

function withoutLogin(config: DatabaseConfig): DatabaseConfig {
  const urls = config.urls.map((text) => {
    const url = new URL(text);
    url.username = url.password = '';
    return url.href;
  });
  return { ...config, urls };
}

async function underLoad(lab: FaultLab): Promise<Measurements> {
  const foreign = await countLogins(lab);
  return withVaultLogins(lab, async ({ manager, metrics, vault }) => {
    const client = lab.client(manager);
    client.start(clients);
    let isOver = false;
    let reads = 0;
    const users = new Set<string>();
    const read = async (): Promise<void> => {
      while (!isOver) {
        const { rows } = await manager.read((db) => db.query<{ name: string }>(whoReads));
        for (const { name } of rows) users.add(name);
        reads += 1;
      }
    };
    const reading = Array.from({ length: readers }, read);
    const rotated = (): number => (metrics.valueOf(metric, labels) ?? 0) - 1;
    const { leases } = vault.server.state;
    const rotating = waitUntil('some rotations', () => rotated() >= rotations && leases.all().length === 1, {
      timeoutMs,
    }).finally(() => {
      isOver = true;
    });
    await Promise.all([rotating, ...reading]);
    const acknowledged = await lab.check(client);
    assert.deepEqual(client.refusals, [], 'no write fails');
    assert.ok(users.size >= rotations, 'requests used one login after the other');
    const refused = metrics.valueOf('vault_security_events_total', { event: 'credentials_refused' }) ?? 0;
    assert.equal(refused, 0, 'no login is used that is over');
    const left = (await countLogins(lab)) - foreign;
    assert.equal(left, 1, 'those that nobody uses any more are revoked');
    return { rotations: rotated(), acknowledged, reads, 'failed requests': 0, refused, 'logins left': left };
  });
}

const whoReads = 'SELECT current_user AS name, (SELECT count(*)::int FROM stores) AS stores';

/** Those that Vault has made, for whomever. */
async function countLogins({ cluster }: FaultLab): Promise<number> {
  const rows = await cluster.administer(
    cluster.primary,
    "SELECT FROM pg_roles WHERE rolname LIKE 'v-token-app-%'",
  );
  return rows.length;
}

export const rotationScenarios: readonly Scenario[] = [
  { number: '32', name: 'logins for the database rotate under load', run: underLoad },
];
