import { describe, expect, it } from '@jest/globals';
import type { DatabaseStatus } from '../../shared/database/connection-manager.js';
import { readinessOf } from '../../store-service/health.js';

const primary = { kind: 'healthy' };
const nobody = { kind: 'no_primary' };

function database(cluster: object, ...roles: string[]): DatabaseStatus {
  const nodes = roles.map((kind, index) => ({ name: `node-${index}`, state: { kind } }));
  return { cluster, nodes } as unknown as DatabaseStatus;
}

describe('readiness', () => {
  it.each([
    ['everything is up', database(primary, 'primary', 'replica'), true, 'ok'],
    ['the replica is away', database(primary, 'primary', 'down'), true, 'ok'],
    ['Vault is away', database(primary, 'primary', 'replica'), false, 'degraded'],
    ['the primary is away', database(nobody, 'down', 'replica'), true, 'degraded'],
    ['the primary and Vault are away', database(nobody, 'down', 'replica'), false, 'degraded'],
    ['no node answers, and reads come from memory', database(nobody, 'down', 'down'), true, 'degraded'],
    ['no node answers, and nobody new can be let in', database(nobody, 'down', 'down'), false, 'unavailable'],
  ])('when %s', (_when, status, isAnswering, expected) => {
    expect(readinessOf(status, { isAnswering }, false).status).toBe(expected);
    expect(readinessOf(status, { isAnswering }, true).status).toBe('draining');
  });
});
