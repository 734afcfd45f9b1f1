import type { Test } from 'supertest';
import { waitUntil } from '../../dev/wait-until.js';
import { queryDatabase } from './created-store.js';
import type { Proxied } from './proxied-service.js';
import type { Body } from './store-samples.js';
import type { TestService } from './test-service.js';

export interface QueuePage {
  readonly items: Body[];
  readonly next?: string;
  readonly stats: Body;
}

/** What an admin sees of the queue of an instance. @param query with its question mark */
export async function listQueue(instance: Proxied, query = ''): Promise<QueuePage> {
  const { body } = await instance.send('get', `/admin/queue${query}`, undefined, 'admin').expect(200);
  return body as QueuePage;
}

export function showEntry(instance: Proxied, id: unknown): Test {
  return instance.send('get', `/admin/queue/${String(id)}`, undefined, 'admin');
}

export function dropEntry(instance: Proxied, id: unknown, reason = 'nobody needs it'): Test {
  return instance.send('post', `/admin/queue/${String(id)}/drop`, { reason }, 'admin');
}

/** While the drain tries whether the database is back, the entry that it tries is in work. */
export async function dropQueued(instance: Proxied, id: unknown): Promise<void> {
  await waitUntil('a moment without an attempt', async () => (await dropEntry(instance, id)).status === 200, {
    timeoutMs: 20_000,
  });
}

export function requeueEntry(instance: Proxied, id: unknown, reason = 'it is mended'): Test {
  return instance.send('post', `/admin/queue/${String(id)}/requeue`, { reason }, 'admin');
}

/** What the database has on record that operators did to something, the oldest first. */
export async function actionsOn(service: TestService, target: unknown): Promise<Body[]> {
  const { rows } = await queryDatabase(
    service,
    'SELECT * FROM operator_actions WHERE target = $1 ORDER BY id',
    [target],
  );
  return rows;
}
