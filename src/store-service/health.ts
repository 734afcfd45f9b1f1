import type { DatabaseStatus } from '../shared/database/connection-manager.js';
import { unlistedFollowers } from '../shared/database/unlisted-followers.js';
import type { LastAnswersStats } from '../shared/middleware/last-answers.js';
import type { DrainState, Stall } from '../shared/resilience/journal/drain-options.js';
import type { JournalStats } from '../shared/resilience/journal/journal-options.js';
import type { BreakerOutlook, BreakerView } from '../shared/resilience/breaker-registry.js';
import type { VaultService } from '../shared/services/vault-service.js';
import type { FolderState } from '../shared/services/vault/folder-watch.js';
import type { HealthDetail, Readiness } from './routes/health.js';
import { toStallView } from './routes/queue-view.js';

/** The breaker in front of deciding who shows an API key, and the one in front of asking Vault for that. */
const keyBreakers = ['security', 'vault-security'];
/** What the breakers in front of deciding about other kinds of credentials are called, a kind each. */
const otherSecurityPrefix = 'security-';
/** What the breakers in front of Vault are called, a use of it each. */
const vaultBreakerPrefix = 'vault-';

/** How deciding about API keys fares. */
export interface CallersOutlook {
  /** Whether Vault tells who has which key. */
  readonly records: FolderState;
  /** Whether some caller is let in all the same, because that was asked lately. */
  readonly remembersAny: boolean;
}

export interface VaultOutlook extends Pick<VaultService, 'isAnswering'> {
  /** Absent where nothing is known of it. */
  readonly callers?: CallersOutlook;
}

/**
 * Whether requests should be sent here. Without any node of the database the process still answers from memory; only if
 * Vault is away as well it is of no use: new callers cannot be told apart, and nothing can be encrypted. Nor is it while
 * it can decide of no caller who that is: every request would be answered with 503. Where several nodes are configured, one
 * without a replica is degraded. It needs no credential, so names of breakers are all that is told.
 */
export function readinessOf(
  { cluster, nodes }: DatabaseStatus,
  vault: VaultOutlook,
  outlooks: readonly BreakerOutlook[],
  isDraining: boolean,
): Readiness {
  const primary = cluster.kind === 'healthy' ? 'up' : 'down';
  const replica = nodes.some(({ state }) => state.kind === 'replica') ? 'up' : 'down';
  // an isolated one tells what an admin wants, not how Vault is
  const isVaultLeftAlone = outlooks.some(
    ({ name, state, isAdmitting }) => name.startsWith(vaultBreakerPrefix) && state === 'open' && !isAdmitting,
  );
  const isVaultUp = vault.isAnswering && !isVaultLeftAlone && vault.callers?.records.isReadable !== false;
  const checks = {
    databasePrimary: primary,
    databaseReplica: replica,
    vault: isVaultUp ? 'up' : 'down',
  };
  const unwell = outlooks.filter(({ isAdmitting }) => !isAdmitting);
  const breakers = unwell.length > 0 && Object.fromEntries(unwell.map(({ name, state }) => [name, state]));
  const facts = { checks, ...(breakers && { breakers }) };
  if (isDraining) return { status: 'draining', ...facts };
  const isLockedOut =
    isEveryKeyRefused(vault.callers, outlooks) &&
    outlooks.filter(({ name }) => name.startsWith(otherSecurityPrefix)).every(isRefusing);
  // one use that fails says nothing of the others: making logins does so for want of the database alone
  const hasAny = primary === 'up' || replica === 'up' || vault.isAnswering;
  if (isLockedOut || !hasAny) return { status: 'unavailable', ...facts };
  const isReplicated = replica === 'up' || nodes.length < 2;
  const isWhole = primary === 'up' && isReplicated && isVaultUp && !breakers;
  return { status: isWhole ? 'ok' : 'degraded', ...facts };
}

/** A caller that was let in lately still is, but not while an admin has isolated the decision itself. */
function isEveryKeyRefused(
  callers: CallersOutlook | undefined,
  outlooks: readonly BreakerOutlook[],
): boolean {
  const [guard, source] = keyBreakers.map((breaker) => outlooks.find(({ name }) => name === breaker));
  if (guard && isRefusing(guard) && (guard.state !== 'open' || !callers?.remembersAny)) return true;
  if (!callers || callers.remembersAny) return false;
  return !callers.records.isReadable || (source !== undefined && isRefusing(source));
}

/** A trial that is under way may end well at any moment. */
function isRefusing({ state, isAdmitting }: BreakerOutlook): boolean {
  return !isAdmitting && state !== 'half-open';
}

export interface HealthParts {
  readonly database: DatabaseStatus;
  readonly cache: LastAnswersStats;
  readonly vault: VaultService;
  readonly callers: CallersOutlook;
  readonly breakers: readonly BreakerView[];
  readonly outlooks: readonly BreakerOutlook[];
  readonly queue: {
    readonly stats: () => Promise<JournalStats>;
    readonly drain: DrainState['name'];
    readonly stall: Stall | undefined;
  };
  readonly isDraining: boolean;
}

/** Everything an operator wants to know of the process and of what it depends on. */
export async function detailedHealth(parts: HealthParts): Promise<HealthDetail> {
  const { database, cache, vault, breakers, isDraining } = parts;
  const outlook = { isAnswering: vault.isAnswering, callers: parts.callers };
  const { status, checks } = readinessOf(database, outlook, parts.outlooks, isDraining);
  const [vaultHealth, queue] = await Promise.all([vault.health(), queueHealth(parts.queue)]);
  const followers = unlistedFollowers(database);
  const isWhole =
    vaultHealth.status === 'up' && queue.accepting && (queue.parked ?? 0) === 0 && !queue.stalled;
  return {
    status: status === 'ok' && !isWhole ? 'degraded' : status,
    checks,
    database: {
      state: database.cluster.kind,
      ...(followers > 0 && { unlistedFollowers: followers }),
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
    queue,
    breakers,
  };
}

interface QueueHealth extends Partial<
  Pick<JournalStats, 'queued' | 'parked' | 'unconfirmed' | 'oldestAgeMs' | 'bytes'>
> {
  readonly drain: DrainState['name'];
  readonly accepting: boolean;
  /** Why entries fail again and again and are kept, and since when (ISO 8601). */
  readonly stalled?: { readonly reason: string; readonly since: string };
}

async function queueHealth({ stats, drain, stall }: HealthParts['queue']): Promise<QueueHealth> {
  const stalled = stall && { stalled: toStallView(stall) };
  try {
    const { queued, parked, unconfirmed, oldestAgeMs, bytes, fullBy, failure } = await stats();
    return {
      queued,
      parked,
      unconfirmed,
      oldestAgeMs,
      bytes,
      drain,
      accepting: !fullBy && !failure,
      ...stalled,
    };
  } catch {
    // that the disk fails is logged by whoever measures it
    return { drain, accepting: false, ...stalled };
  }
}
