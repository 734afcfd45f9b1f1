import { afterEach, describe, expect, it } from '@jest/globals';
import { DevVault } from '../../dev/vault/dev-vault.js';
import { durationMs } from '../../dev/vault/fields.js';
import { ManualClock } from '../helpers/manual-clock.js';

describe('the development Vault', () => {
  const environment = process.env['NODE_ENV'];
  let vault: DevVault | undefined;
  afterEach(async () => {
    process.env['NODE_ENV'] = environment;
    await vault?.close();
    vault = undefined;
  });
  const ask = async (path: string, body?: string): Promise<{ status: number; json: unknown }> => {
    const response = await fetch(`${vault?.address ?? ''}/v1/${path}`, {
      ...(body !== undefined && { method: 'POST', body }),
      headers: { 'x-vault-token': vault?.rootToken ?? '' },
    });
    const text = await response.text();
    return { status: response.status, json: text === '' ? undefined : JSON.parse(text) };
  };

  it('refuses to run in production', async () => {
    process.env['NODE_ENV'] = 'production';
    await expect(DevVault.start()).rejects.toThrow('must not run in production');
  });

  it('listens on this machine only', async () => {
    vault = await DevVault.start();
    expect(new URL(vault.address).hostname).toBe('127.0.0.1');
  });

  it('answers with the bodies of a real server', async () => {
    vault = await DevVault.start();
    expect(await ask('secret/data/none')).toEqual({ status: 404, json: { errors: [] } });
    expect(await ask('secret/data/x', '{bad')).toMatchObject({ status: 400 });
    vault.state.isSealed = true;
    expect(await ask('secret/data/none')).toEqual({ status: 503, json: { errors: ['Vault is sealed'] } });
    vault.state.isSealed = false;
    const token = vault.state.tokens.create({
      policies: ['default'],
      ttlMs: 1000,
      maxTtlMs: 1000,
      renewable: false,
      displayName: 'test',
      path: 'test',
    });
    const denied = await fetch(`${vault.address}/v1/secret/data/x`, {
      headers: { 'x-vault-token': token.id },
    });
    expect(denied.status).toBe(403);
    expect(await denied.json()).toEqual({ errors: ['1 error occurred:\n\t* permission denied\n\n'] });
  });

  it('drops database roles when their lease ends, and tries again if that fails', async () => {
    const clock = new ManualClock();
    const statements: string[] = [];
    let isDatabaseUp = true;
    vault = await DevVault.start({
      clock,
      execute: (_, sql) => {
        if (!isDatabaseUp) return Promise.reject(new Error('connection refused'));
        statements.push(...sql);
        return Promise.resolve();
      },
    });
    await ask('sys/mounts/database', '{"type":"database"}');
    await ask('database/config/pg', '{"allowed_roles":"*","connection_url":"postgresql://x"}');
    await ask(
      'database/roles/app',
      '{"db_name":"pg","creation_statements":"CREATE ROLE","default_ttl":"1m"}',
    );
    const { leases } = vault.state;
    await ask('database/creds/app');
    isDatabaseUp = false;
    clock.advance(60_000);
    expect(leases.all()).toHaveLength(1);
    expect(await ask('database/creds/app')).toMatchObject({ status: 500 });
    await Promise.resolve();
    isDatabaseUp = true;
    clock.advance(10_000);
    await Promise.resolve();
    await Promise.resolve();
    expect(statements.at(-1)).toMatch(/^DROP ROLE IF EXISTS "v-token-app-/);
    expect(leases.all()).toHaveLength(0);
  });

  it.each<[unknown, number]>([
    [undefined, 7],
    ['', 7],
    [90, 90_000],
    ['90', 90_000],
    ['1h30m', 5_400_000],
    ['250ms', 250],
    ['1d', 86_400_000],
  ])('understands the duration %s', (value, expected) => {
    expect(durationMs(value, 7)).toBe(expected);
  });

  it.each(['soon', '1h later', true])('does not understand the duration %s', (value) => {
    expect(() => durationMs(value, 7)).toThrow('invalid duration');
  });
});
