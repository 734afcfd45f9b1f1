import type { DatabaseStatus } from '../shared/database/connection-manager.js';
import type { BreakerView } from '../shared/resilience/breaker-registry.js';
import type { VaultService } from '../shared/services/vault-service.js';
import type { HealthDetail, Readiness } from './routes/health.js';

/** Whether requests should be sent here: reads are answered while any node is up. */
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
  if (primary === 'up') return { status: vault.isAnswering ? 'ok' : 'degraded', checks };
  return { status: replica === 'up' ? 'degraded' : 'unavailable', checks };
}

/** Everything an operator wants to know of the process and of what it depends on. */
export async function detailedHealth(
  database: DatabaseStatus,
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
    vault: vaultHealth,
    breakers,
  };
}
