import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import supertest from 'supertest';
import { waitUntil } from '../../../dev/wait-until.js';
import { forgedKey, TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

/** As an operator would write it by hand. */
async function putRecord(id: string, data: object): Promise<void> {
  const { address, rootToken } = service.vault.server;
  const response = await fetch(`${address}/v1/secret/data/api-keys/${id}`, {
    method: 'POST',
    headers: { 'X-Vault-Token': rootToken },
    body: JSON.stringify({ data }),
  });
  expect(response.status).toBe(200);
}

const getAs = (token: string): supertest.Test =>
  supertest(service.context.app).get('/api/stores').set('Authorization', `Bearer ${token}`);

async function measured(line: string): Promise<number> {
  const { text } = await service.request('GET', '/metrics').expect(200);
  const found = text.split('\n').find((candidate) => candidate.startsWith(`${line} `));
  return Number(found?.split(' ').at(-1) ?? 0);
}

describe('a caller whose record makes no sense', () => {
  it('is refused alone: no breaker opens, and the service stays ready', async () => {
    await putRecord('broken', { id: 'broken', role: 'root', keys: [] });
    for (let call = 0; call < 20; call += 1) {
      const { body, headers } = await getAs(forgedKey('broken')).expect(503);
      expect(body).toMatchObject({ code: 'security_unavailable', retryable: true });
      expect(Number(headers['retry-after'])).toBeGreaterThan(0);
      expect(JSON.stringify(body)).not.toMatch(/record|broken|role/);
    }
    await service.get('/api/stores', 'second').expect(200);
    const { body: ready } = await service.request('GET', '/health/ready').expect(200);
    expect(ready).toEqual({
      status: 'ok',
      checks: { databasePrimary: 'up', databaseReplica: 'up', vault: 'up' },
    });
    expect(await measured('breaker_state{breaker="security",state="closed"}')).toBe(1);
    expect(await measured('vault_security_events_total{event="caller_record_unreadable"}')).toBeGreaterThan(
      0,
    );
    const told = service.logLines.filter((line) => line.includes('The record of a caller cannot be used'));
    expect(told).toHaveLength(1);
  });
});

describe('a flood of made-up key ids', () => {
  it('costs Vault few reads, which are measured, and keeps no caller out', async () => {
    const callers = ['viewer', 'operator', 'admin', 'second'] as const;
    for (const caller of callers) await service.get('/api/stores', caller).expect(200);
    const { requests } = service.vault.server;
    const line = 'vault_secret_reads_total{source="vault"}';
    const before = await measured(line);
    requests.length = 0;
    let next = 0;
    const flood = Array.from({ length: 128 }, async () => {
      while (next < 500) {
        const { status } = await getAs(forgedKey(`made-up-${(next += 1)}`));
        expect([401, 503]).toContain(status);
      }
    });
    for (const caller of callers) await service.get('/api/stores', caller).expect(200);
    await Promise.all(flood);
    const reads = requests.filter(({ path }) => path.startsWith('secret/data/api-keys/made-up-')).length;
    // a hundred at once, and ten a second
    expect(reads).toBeLessThanOrEqual(250);
    expect(await measured(line)).toBeGreaterThanOrEqual(before + reads);
    expect(await measured('caller_look_ups_total{reason="unknown",outcome="refused"}')).toBeGreaterThan(0);
    await service.request('GET', '/health/ready').expect(200);
  });
});

describe('readiness of a service that nobody calls', () => {
  it('tells within ten seconds that Vault is sealed, so that whoever calls would be refused, and that it is back', async () => {
    const idle = await TestService.start();
    const ready = (): supertest.Test => idle.request('GET', '/health/ready');
    try {
      await ready().expect(200);
      idle.vault.server.state.isSealed = true;
      await waitUntil('readiness to tell', async () => (await ready()).status === 503, { timeoutMs: 10_000 });
      const { body, headers } = await ready().expect(503);
      expect(body).toMatchObject({ status: 'unavailable', checks: { vault: 'down' } });
      expect(Number(headers['retry-after'])).toBeGreaterThan(0);
      await idle.get('/api/stores').expect(503);
      idle.vault.server.state.isSealed = false;
      await waitUntil('readiness to be back', async () => (await ready()).status === 200, {
        timeoutMs: 10_000,
      });
      await idle.get('/api/stores').expect(200);
    } finally {
      await idle.stop();
    }
  });

  it('tells that our login is refused', async () => {
    const idle = await TestService.start();
    try {
      for (const { id } of idle.vault.server.state.tokens.all())
        await idle.vault.server.state.tokens.revoke(id);
      const refused = async (): Promise<boolean> =>
        (await idle.request('GET', '/health/ready')).status === 503;
      await waitUntil('readiness to tell', refused, { timeoutMs: 10_000 });
    } finally {
      await idle.stop();
    }
  });
});
