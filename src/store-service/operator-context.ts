import type { Config } from '../shared/config/config.js';
import { ConnectionManager } from '../shared/database/connection-manager.js';
import type { Logger } from '../shared/logging/logger.js';
import { awaiting } from '../shared/process/awaited.js';
import { noMetrics } from '../shared/metrics/metrics.js';
import { Releasers } from '../shared/releasers.js';
import { BreakerRegistry } from '../shared/resilience/breaker-registry.js';
import { ApiKeyAdministration } from '../shared/services/api-key-administration.js';
import { FieldEncryption } from '../shared/services/field-encryption.js';
import { isVaultAway } from '../shared/services/vault/vault-away.js';
import { ContactRewrap } from './services/contact-rewrap.js';
import { createVaultService, explaining, probeTable, startDatabaseLogins } from './vault-parts.js';

/** What operators' commands work with. */
export interface OperatorContext {
  readonly apiKeys: ApiKeyAdministration;
  /** Connects to the database when first asked for. */
  contactRewrap(): Promise<ContactRewrap>;
  /** Runs a command. @throws {OperatorError} saying what is wrong, and where, if Vault is away */
  explaining<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const closeGraceMs = 2_000;

/** Puts together what operators' commands need; nothing is connected to before it is used. */
export function createOperatorContext(config: Config, logger: Logger): OperatorContext {
  const releasers = new Releasers();
  const breakers = new BreakerRegistry({ log: logger, metrics: noMetrics });
  const vault = createVaultService(config, logger, noMetrics, breakers);
  releasers.add('Vault', () => vault.close());
  return {
    apiKeys: new ApiKeyAdministration(vault.callers, logger),
    contactRewrap: async () => {
      const credentials = await awaiting('a login for the database, and its nodes to accept it', () =>
        startDatabaseLogins(config, vault),
      );
      const database = new ConnectionManager(config.database, {
        probeTable,
        ...(credentials && { credentials }),
      });
      releasers.add('The database', () => database.close(closeGraceMs));
      await awaiting('the nodes of the database', () => database.start());
      return new ContactRewrap(database, new FieldEncryption({ transit: vault.transit, log: logger }));
    },
    explaining: async (work) => {
      try {
        return await work();
      } catch (error) {
        if (!isVaultAway(error)) throw error;
        return explaining(config.vault, vault, 'what the command needs', () =>
          Promise.reject(error as Error),
        );
      }
    },
    close: () => releasers.releaseAll(),
  };
}
