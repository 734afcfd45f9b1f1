import type { DatabaseStatus } from '../shared/database/connection-manager.js';
import type { LastAnswersStats } from '../shared/middleware/last-answers.js';
import type { BreakerView } from '../shared/resilience/breaker-registry.js';
import type { VaultService } from '../shared/services/vault-service.js';
import type { HealthDetail, Readiness } from './routes/health.js';

/**
 * Whether requests should be sent here. Without any node of the database the process still answers from memory; only if
 * Vault is away as well it is of no use: new callers cannot be told apart, and nothing can be encrypted.
 */
export function readinessOf(
  { cluster, nodes }: DatabaseStatus,
  vault: Pick<VaultService, 'isAnswering'>,
  isDraining: boolean,
): Readiness {
  const primary = cluster.kind === 'healthy' ? 'up' : 'down';
  const replica = nodes.some(({ state }) => state.kind === 'replica') ? 'up' : 'down';
  const checks = {
    databasePrimary: primary,
    databaseReplica: replica,
    vault: vault.isAnswering ? 'up' : 'down',
  };
  if (isDraining) return { status: 'draining', checks };
  if (primary === 'up' && vault.isAnswering) return { status: 'ok', checks };
  const hasAny = primary === 'up' || replica === 'up' || vault.isAnswering;
  return { status: hasAny ? 'degraded' : 'unavailable', checks };
}

/** Everything an operator wants to know of the process and of what it depends on. */
export async function detailedHealth(
  database: DatabaseStatus,
  cache: LastAnswersStats,
  vault: VaultService,
  breakers: readonly BreakerView[],
  isDraining: boolean,
): Promise<HealthDetail> {
  const { status, checks } = readinessOf(database, vault, isDraining);
  const vaultHealth = await vault.health();
  const isWhole = vaultHealth.status === 'up' && breakers.every(({ state }) => state === 'closed');
  return {
    status: status === 'ok' && !isWhole ? 'degraded' : status,
    checks,
    database: {
      state: database.cluster.kind,
      nodes: database.nodes.map(({ name, state, lagMs, connections }) => ({
        name,
        role: state.kind,
        // JSON has no infinity
        ...(Number.isFinite(lagMs) && { lagMs: Math.round(lagMs) }),
        connections,
      })),
    },
    cache: { entries: cache.entries, bytes: cache.bytes },
    vault: vaultHealth,
    breakers,
  };
}
