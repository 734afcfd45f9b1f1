import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Misdeed } from '../../../dev/vault/misbehaviour.js';
import type { Breaker } from '../../../shared/resilience/breaker.js';
import { ApiKeyAdministration } from '../../../shared/services/api-key-administration.js';
import { parseCallerRecord } from '../../../shared/services/caller-record.js';
import {
  createSecurityBreaker,
  GuardedAuthenticator,
} from '../../../shared/services/guarded-authenticator.js';
import { SecurityService } from '../../../shared/services/security-service.js';
import { failureOf } from '../../helpers/failure-of.js';
import { ManualClock } from '../../helpers/manual-clock.js';
import { useVaultBench, type VaultBench } from '../../helpers/vault-bench.js';

const { start } = useVaultBench();
let bench: VaultBench;
let clock: ManualClock;
let breaker: Breaker;
let security: SecurityService;
let guarded: GuardedAuthenticator;
let keys: ApiKeyAdministration;

beforeEach(async () => {
  clock = new ManualClock();
  bench = await start();
  breaker = createSecurityBreaker('security', { clock });
  security = new SecurityService({
    records: bench.service.callers,
    log: bench.recorder,
    metrics: bench.recorder,
    clock,
    guard: (lookUp) => breaker.run(lookUp),
  });
  guarded = new GuardedAuthenticator({ authenticator: security, breaker, asksThroughBreaker: true });
  keys = new ApiKeyAdministration(bench.service.callers, bench.recorder, clock);
});

const refused = {
  code: 'security_unavailable',
  message: 'It cannot be decided at the moment who is calling',
};
const withAnySecret = (guess: number): string => `spk_bad_${String(guess).padStart(43, 'x')}`;
const stateOf = (name: string): string => bench.breakers.get(name).state;
const alarms = (): unknown[] =>
  bench.recorder.lines.filter(({ message }) => message.startsWith('The record of a caller cannot be used'));

/** Several seconds of requests that name the caller. */
async function callOften(seconds = 8): Promise<void> {
  for (let call = 0; call < seconds * 4; call += 1) {
    expect(await failureOf(guarded.authenticate(withAnySecret(call)))).toMatchObject(refused);
    if (call % 4 === 3) clock.advance(1_000);
  }
}

async function expectOthersLetIn(): Promise<void> {
  expect({ security: breaker.state, vault: stateOf('vault-security') }).toEqual({
    security: { name: 'closed', consecutiveFailures: 0 },
    vault: 'closed',
  });
  const key = await keys.create({ id: 'good', role: 'viewer' });
  await expect(guarded.authenticate(key)).resolves.toMatchObject({ id: 'key:good' });
  expect(await failureOf(guarded.authenticate(`spk_nobody_${'x'.repeat(43)}`))).toMatchObject({
    code: 'unauthenticated',
  });
}

const key = { hash: 'a'.repeat(64), createdAt: '2030-01-01', disabled: false };

describe.each<[string, Record<string, unknown>]>([
  ['the role root', { id: 'bad', role: 'root', keys: [] }],
  ['several roles', { id: 'bad', role: ['admin'], keys: [key] }],
  ['another id', { id: 'other', role: 'admin', keys: [key] }],
  ['keys that are no list', { id: 'bad', role: 'admin', keys: { 0: key } }],
  ['a key of null', { id: 'bad', role: 'admin', keys: [null] }],
  ['a list of lists', { id: 'bad', role: 'admin', keys: [[key]] }],
  ['a short hash', { id: 'bad', role: 'admin', keys: [{ ...key, hash: 'abc' }] }],
  ['a hash that is none', { id: 'bad', role: 'admin', keys: [{ ...key, hash: { a: 1 } }] }],
  ['a time that is none', { id: 'bad', role: 'admin', keys: [{ ...key, createdAt: 'soon' }] }],
  [
    'more keys than there are callers',
    { id: 'bad', role: 'admin', keys: Array.from({ length: 65 }, () => key) },
  ],
  ['nothing', {}],
])('a record with %s', (_, record) => {
  it('refuses its caller alone, opens no breaker, and is told to an operator', async () => {
    await bench.putSecret('api-keys/bad', record);
    await callOften();
    await expectOthersLetIn();
    expect(alarms()).toHaveLength(1);
    expect(bench.recorder.counted('vault_security_events_total', { event: 'caller_record_unreadable' })).toBe(
      8,
    );
  });
});

describe('a record that makes no sense', () => {
  const broken = { id: 'bad', role: 'root', keys: [] };

  it('is read once a second, however often its caller is named at once', async () => {
    await bench.putSecret('api-keys/bad', broken);
    bench.vault.requests.length = 0;
    await Promise.all(
      Array.from({ length: 200 }, (_, guess) => failureOf(guarded.authenticate(withAnySecret(guess)))),
    );
    expect(bench.seen('secret/data/api-keys/bad')).toBe(1);
  });

  it('is told again after a minute, for as long as it is there', async () => {
    await bench.putSecret('api-keys/bad', broken);
    await callOften(59);
    expect(alarms()).toHaveLength(1);
    await callOften(3);
    expect(alarms()).toHaveLength(2);
    expect(JSON.stringify(alarms())).toContain('"callerId":"bad"');
  });

  it('counts again a second after it was mended', async () => {
    const token = await keys.create({ id: 'bad', role: 'viewer' });
    const mended = (await bench.service.callers.find('bad'))?.reveal() ?? {};
    await bench.putSecret('api-keys/bad', broken);
    await callOften(2);
    await bench.putSecret('api-keys/bad', mended);
    await expect(guarded.authenticate(token)).resolves.toMatchObject({ id: 'key:bad' });
  });

  it('does not confirm what its caller asked for before, nor refuse it for good', async () => {
    await bench.putSecret('api-keys/bad', broken);
    const principal = { id: 'key:bad', role: 'admin', credential: 'a'.repeat(64) } as const;
    expect(await failureOf(guarded.confirm(principal, 'viewer'))).toMatchObject(refused);
  });

  it('may be anything: parsing it lets nobody in, and never throws', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('id', 'role', 'keys', 'x'), fc.jsonValue()), (data) => {
        const record = parseCallerRecord('bad', data);
        if (record) expect(['viewer', 'operator', 'admin']).toContain(record.role);
      }),
    );
  });
});

describe.each<[string, Misdeed]>([
  ['400', { kind: 'status', status: 400 }],
  ['403', { kind: 'status', status: 403 }],
  ['404 with an error', { kind: 'status', status: 404, errors: ['no handler for route'] }],
  ['405', { kind: 'status', status: 405 }],
  ['500', { kind: 'status', status: 500 }],
  ['503', { kind: 'status', status: 503 }],
  ['502', { kind: 'status', status: 502 }],
  ['nonsense', { kind: 'malformed' }],
  ['half of it', { kind: 'truncated' }],
  ['a redirection', { kind: 'redirect', location: 'http://127.0.0.1:9/' }],
  ['too much', { kind: 'oversized', bytes: 5_000_000 }],
  ['nothing, and closes the connection', { kind: 'reset' }],
])('a record for which Vault answers %s', (_, misdeed) => {
  it('refuses its caller alone, and opens no breaker', async () => {
    bench.vault.misbehaviour.begin({ pathPrefix: 'secret/data/api-keys/bad', misdeed });
    await callOften();
    await expectOthersLetIn();
    expect(alarms()).toHaveLength(1);
    expect(bench.service.callersState).toEqual({ isReadable: true });
    expect(bench.service.isAnswering).toBe(true);
  });
});

it('a record that Vault hangs on refuses its caller alone', async () => {
  bench.vault.misbehaviour.begin({ pathPrefix: 'secret/data/api-keys/bad', misdeed: { kind: 'hang' } });
  await callOften(4);
  await expectOthersLetIn();
});

describe.each<[string, Misdeed]>([
  ['403', { kind: 'status', status: 403 }],
  ['404 with an error', { kind: 'status', status: 404, errors: ['no handler for route'] }],
  ['500', { kind: 'status', status: 500 }],
  ['nonsense', { kind: 'malformed' }],
])('records for all of which Vault answers %s', (_, misdeed) => {
  it('are no fault of any: the breaker opens, and nobody is told that a key is not valid', async () => {
    bench.vault.misbehaviour.begin({ pathPrefix: 'secret/data/api-keys', misdeed });
    for (let call = 0; call < 6; call += 1) {
      expect(await failureOf(guarded.authenticate(`spk_caller-${call}_${'x'.repeat(43)}`))).toMatchObject(
        refused,
      );
    }
    expect(breaker.state.name).toBe('open');
    expect(bench.service.callersState.isReadable).toBe(false);
    expect(alarms()).toEqual([]);
  });
});

describe('listing keys', () => {
  it('shows the others beside records that cannot be read, and more of them than are read at a time', async () => {
    for (let index = 0; index < 70; index += 1) {
      await bench.putSecret(`api-keys/till-${index}`, { id: `till-${index}`, role: 'viewer', keys: [key] });
    }
    await bench.putSecret('api-keys/bad', { id: 'bad', role: 'root', keys: [] });
    await bench.putSecret('api-keys/Not_An_Id', { id: 'x' });
    const misdeed = { kind: 'status', status: 500 } as const;
    bench.vault.misbehaviour.begin({ pathPrefix: 'secret/data/api-keys/till-7', times: 1, misdeed });
    const list = await keys.list();
    expect(list.filter(({ state }) => state === 'malformed').map(({ id }) => id)).toEqual([
      'Not_An_Id',
      'bad',
      'till-7',
    ]);
    expect(list.filter(({ state }) => state === 'active')).toHaveLength(69);
  });
});
