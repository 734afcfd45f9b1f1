import type { JournalConfig } from '../shared/config/config.js';
import type { ConnectionManager } from '../shared/database/connection-manager.js';
import type { Consistency } from '../shared/database/consistency.js';
import { replicationOf } from '../shared/database/replication-status.js';
import type { Logger } from '../shared/logging/logger.js';
import type { Metrics } from '../shared/metrics/metrics.js';
import type { Releasers } from '../shared/releasers.js';
import type { Breaker } from '../shared/resilience/breaker.js';
import { JournalDrainer } from '../shared/resilience/journal-drainer.js';
import type { PayloadSeal } from '../shared/resilience/journal/journal-options.js';
import { forgetSettled } from '../shared/resilience/journal-housekeeping.js';
import { logDrainEvents, measureDrainEvents, reportJournal } from '../shared/resilience/journal-reporting.js';
import { WriteJournal } from '../shared/resilience/write-journal.js';
import type { EncryptedField, FieldCipher } from '../shared/services/field-cipher.js';
import { systemTimerClock } from '../shared/timer-clock.js';
import type { StoreCommands } from './services/store-commands.js';
import { AcknowledgedVersions } from './services/write-queue/acknowledged-versions.js';
import { CommitKeeper } from './services/write-queue/commit-keeper.js';
import { readSummary } from './services/write-queue/entry-summary.js';
import { KeptClaims } from './services/write-queue/kept-claims.js';
import { DurableWrites } from './services/write-queue/durable-writes.js';
import { type Authority, WriteReplay } from './services/write-queue/write-replay.js';
import { WriteQueue } from './services/write-queue/write-queue.js';

export interface WriteQueueDependencies {
  readonly config: JournalConfig;
  /** Longest wait of a request for a primary. */
  readonly failoverWaitMs: number;
  readonly database: ConnectionManager;
  /** In front of the primary. */
  readonly breaker: Breaker;
  readonly commands: StoreCommands;
  readonly authority: Authority;
  /** Ties what a caller reads to what the queue has made of that caller's writes. */
  readonly consistencyOf: (callerId: string) => Consistency;
  readonly cipher: FieldCipher;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface DurableParts {
  readonly journal: WriteJournal;
  readonly drainer: JournalDrainer;
  readonly queue: WriteQueue;
  readonly writes: DurableWrites;
}

/** What an entry under way gets to come to its end when the service stops. */
const drainGraceMs = 2_000;
const journalGraceMs = 1_000;

/**
 * Opens the journal and begins to work it off.
 * @throws {JournalOpenError} if another process has it, or it cannot be read or written
 */
export async function openWriteQueue(
  parts: WriteQueueDependencies,
  releasers: Releasers,
): Promise<DurableParts> {
  const { config, database, commands, authority, consistencyOf, logger, metrics } = parts;
  const clock = systemTimerClock;
  const replication = () => replicationOf(database.status());
  const journal = await WriteJournal.open({
    folder: config.folder,
    seal: sealOf(parts.cipher),
    clock,
    limits: config.limits,
  });
  releasers.add('The write journal', () => journal.close(journalGraceMs));

  const versions = new AcknowledgedVersions();
  await versions.load(journal);
  const claims = new KeptClaims();
  await claims.load(journal);
  const keeper = new CommitKeeper({
    journal,
    replication,
    clock,
    onRedrive: () => {
      drainer.reconsider();
    },
    onRedriven: (count) => {
      drainer.reconsider();
      if (count === 0) return;
      logger.warn('Writes that a failover may have undone are carried out again', { count });
      metrics.count('journal_redriven_total', {}, count);
      drainer.wake();
    },
    onConfirmed: (upTo) => {
      versions.confirm(upTo);
    },
    onFailure: (error) => {
      logger.error('The write journal cannot follow the replication', { error });
    },
  });
  releasers.add('The watch over replication', () => {
    keeper.stop();
  });
  const replay = new WriteReplay({
    commands,
    database,
    authority,
    consistencyOf,
    keeper,
    replication,
    clock,
  });
  const drainer = new JournalDrainer({
    journal,
    apply: (entry, payload, signal) => replay.apply(entry, payload, signal),
    clock,
    concurrency: config.drainConcurrency,
    kindOf: (entry) => readSummary(entry).kind,
  });
  releasers.add('The drain of the write journal', () => drainer.close(drainGraceMs));
  drainer.events.subscribe((event) => {
    versions.follow(event);
    claims.follow(event);
    if (event.type === 'applied' && event.position) keeper.notice(event.position);
  });
  drainer.events.subscribe(logDrainEvents(logger));
  drainer.events.subscribe(measureDrainEvents(metrics));
  releasers.add('The report of the write journal', reportJournal(journal, logger, metrics, clock));
  releasers.add('The housekeeping of the write journal', forgetSettled(journal, logger, clock));

  const follow = (): void => {
    keeper.learn();
    if (database.status().cluster.kind === 'healthy') drainer.wake();
  };
  releasers.add(
    'The drain’s ear',
    database.onEvent((event) => {
      const hasNewLogin = event.type === 'pool_replaced' && event.reason === 'credentials';
      if (event.type === 'cluster_state' || hasNewLogin) follow();
    }),
  );
  releasers.add(
    'The drain’s ear at the breaker',
    parts.breaker.onEvent((event) => {
      if (event.type === 'state' && event.reason === 'restored') drainer.wake();
    }),
  );
  follow();

  const queue = new WriteQueue({
    journal,
    drainer,
    keeper,
    versions,
    claims,
    clock,
    hasPrimary: () => database.status().cluster.kind === 'healthy',
  });
  const writes = new DurableWrites({
    commands,
    queue,
    replication,
    clock,
    awaySinceMs: () => {
      const { cluster } = database.status();
      return cluster.kind === 'healthy' ? undefined : cluster.sinceMs;
    },
    defaultWaitMs: parts.failoverWaitMs,
    onUnprotected: (error) => {
      logger.warn('A write was made that the journal could not keep: a failover may undo it', { error });
      metrics.count('journal_unprotected_writes_total');
    },
  });
  return { journal, drainer, queue, writes };
}

/** Payloads are encrypted like all personal data. */
function sealOf(cipher: FieldCipher): PayloadSeal {
  return {
    seal: async (plaintext, context) => JSON.stringify(await cipher.encrypt(plaintext, context)),
    open: (sealed, context) => cipher.decrypt(JSON.parse(sealed) as EncryptedField, context),
  };
}
