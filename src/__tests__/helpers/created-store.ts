import { withClient } from '../../dev/postgres/admin-client.js';
import { type Body, newStoreBody } from './store-samples.js';
import type { Caller, TestService } from './test-service.js';

/** A store that a test made. */
export interface CreatedStore {
  readonly path: string;
  /** As the answer to its creation showed it. */
  readonly store: Body;
  /** The same without `version`. */
  readonly unversioned: Body;
}

export async function createStore(service: TestService, body: Body = newStoreBody()): Promise<CreatedStore> {
  const { body: store } = (await service.post('/api/stores', body).expect(201)) as { body: Body };
  const { version: _version, ...unversioned } = store;
  return { path: `/api/stores/${String(store['id'])}`, store, unversioned };
}

/** Asks for a creation under an idempotency key. */
export function postWithKey(service: TestService, body: object, key: string, caller?: Caller) {
  return service.post('/api/stores', body, caller).set('Idempotency-Key', key);
}

/** Asks the database of a service, as its owner. */
export function queryDatabase({ database }: TestService, text: string, values?: unknown[]) {
  return withClient(database.ownerUrl, (client) => client.query<Body>(text, values));
}

/** All of these for the service that a test file has by the time it calls them. */
export function toolsFor(service: () => TestService) {
  return {
    post: (body: object, key: string, caller?: Caller) => postWithKey(service(), body, key, caller),
    create: () => createStore(service()),
    sql: (text: string, values?: unknown[]) => queryDatabase(service(), text, values),
  };
}
