import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import type { Misdeed } from '../../dev/vault/misbehaviour.js';
import { ApiKeyAdministration } from '../../shared/services/api-key-administration.js';
import { FieldEncryption } from '../../shared/services/field-encryption.js';
import { SecurityService } from '../../shared/services/security-service.js';
import type { CredentialConsumer } from '../../shared/services/vault/credential-rotation.js';
import { appRoleLogin } from '../../shared/services/vault/login-strategies.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { useVaultBench } from '../helpers/vault-bench.js';

const email = 'canary@example.org';
const phone = '+49 30 1234567';
const password = 'CANARY-smtp-password';

const misdeeds: readonly (Misdeed | 'sealed' | 'token revoked' | 'wrong secret id')[] = [
  { kind: 'status', status: 400, errors: [password, email] },
  { kind: 'status', status: 403, errors: [password, email] },
  { kind: 'status', status: 404, errors: [password] },
  { kind: 'status', status: 429, retryAfter: '1' },
  { kind: 'status', status: 500, errors: [password, email, phone] },
  { kind: 'hang' },
  { kind: 'reset' },
  { kind: 'malformed' },
  { kind: 'truncated' },
  { kind: 'redirect', location: `http://127.0.0.1:9/?${encodeURIComponent(email)}` },
  { kind: 'oversized', bytes: 5_000_000 },
  'sealed',
  'token revoked',
  'wrong secret id',
];

const { start } = useVaultBench();

describe('no secret and no personal data', () => {
  it.each(
    misdeeds.map(
      (misdeed) => [typeof misdeed === 'string' ? misdeed : JSON.stringify(misdeed), misdeed] as const,
    ),
  )('reach logs, metrics, errors, inspect or JSON: %s', async (_, misdeed) => {
    const clock = new ManualClock();
    const secrets = new Set([email, phone, password, Buffer.from(email).toString('base64')]);
    const evidence: unknown[] = [];
    const bench = await start({
      clock,
      ...(misdeed === 'wrong secret id' && {
        login: ({ roleId }) => appRoleLogin({ mount: 'approle', roleId, secretId: 'CANARY-secret-id' }),
      }),
    });
    const { service, recorder, vault, credentials } = bench;
    secrets.add(credentials.secretId).add('CANARY-secret-id').add(vault.rootToken);
    const note = async (call: Promise<unknown>): Promise<void> => {
      evidence.push(await call.catch((error: unknown) => error));
    };

    const passwords: string[] = [];
    const consumer: CredentialConsumer = {
      prove: (given) => {
        passwords.push(given.password);
        evidence.push(given);
        return Promise.resolve();
      },
      publish: () => undefined,
      drain: () => Promise.resolve(),
      withdraw: () => undefined,
    };
    const fields = new FieldEncryption({ transit: service.transit, log: recorder, metrics: recorder, clock });
    const security = new SecurityService({ records: service.callers, log: recorder, clock });
    const administration = new ApiKeyAdministration(service.callers, recorder, clock);
    const rotation = service.supplyDatabaseCredentials({ kind: 'dynamic', name: 'app' }, consumer);
    const sealedFields: Awaited<ReturnType<FieldEncryption['encrypt']>>[] = [];
    const apiKeys: string[] = [];

    const useEverything = async (): Promise<void> => {
      await note(service.readSecret('app/smtp'));
      await note(rotation.start());
      await note(
        fields.encrypt(JSON.stringify({ email, phone }), 'store-1').then((field) => sealedFields.push(field)),
      );
      for (const field of sealedFields) {
        await note(fields.decrypt(field, 'store-1').then(() => 'opened'));
        await note(fields.decrypt(field, 'store-2'));
        const changed = { ...field, key: 'vault:v1:changed' };
        await note(fields.decrypt(changed, 'store-1'));
      }
      await note(administration.create({ id: 'ops', role: 'operator' }).then((key) => apiKeys.push(key)));
      for (const key of [...apiKeys, `spk_ops_${'x'.repeat(43)}`]) await note(security.authenticate(key));
      await note(
        service.transit.createDataKey().then(({ plaintext }) => {
          secrets.add(plaintext.toString('base64')).add(plaintext.toString('hex'));
        }),
      );
      await note(service.transit.encrypt(Buffer.from(email)));
      await note(service.transit.decryptMany(['vault:v1:bad']));
      await note(service.health());
    };

    await bench.putSecret('app/smtp', { password });
    await useEverything();
    for (const token of vault.state.tokens.all()) secrets.add(token.id);
    if (misdeed === 'sealed') vault.state.isSealed = true;
    else if (misdeed === 'token revoked') await bench.revokeTokens();
    else if (misdeed !== 'wrong secret id') vault.misbehaviour.begin({ misdeed });
    fields.clear();
    await useEverything();
    await bench.pass(clock, 2 * 60_000);
    for (const token of vault.state.tokens.all()) secrets.add(token.id);
    for (const key of [...apiKeys, ...passwords]) secrets.add(key);

    const seen = [
      ...evidence.flatMap((item) => [
        inspect(item, { depth: 12, showHidden: true }),
        JSON.stringify(item),
        item instanceof Error ? (item.stack ?? '') : '',
      ]),
      JSON.stringify(recorder.lines),
      inspect(recorder.lines, { depth: 12 }),
      JSON.stringify(recorder.counts),
      inspect([service, fields, security, rotation], { depth: 12, showHidden: true }),
    ].join('\n');
    expect(evidence.length).toBeGreaterThan(15);
    expect([...secrets].filter((secret) => seen.includes(secret))).toEqual([]);
  });
});
