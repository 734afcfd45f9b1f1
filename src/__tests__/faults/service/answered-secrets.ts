import type { Fields } from '../../../dev/vault/engine.js';
import { record, records, text } from '../../../dev/vault/fields.js';

/**
 * What an answer of Vault holds that nobody may say aloud, by what it is: tokens, secret ids, passwords of logins, and
 * keys and plaintexts of Transit.
 */
export function secretsIn(path: string, body: Fields | undefined): (readonly [string, string])[] {
  const auth = record(body?.['auth']) ?? {};
  const data = record(body?.['data']) ?? {};
  const batch = records(data['batch_results']);
  const found: (readonly [string, string | undefined])[] = [
    ['a token of Vault', text(auth, 'client_token')],
    ['a secret id', text(data, 'secret_id')],
    ['a password that Vault made', path.startsWith('database/') ? text(data, 'password') : undefined],
    ['a data key', text(data, 'plaintext')],
    ...batch.map((item) => ['a data key', text(item, 'plaintext')] as const),
  ];
  return found.filter((entry): entry is readonly [string, string] => (entry[1] ?? '') !== '');
}
