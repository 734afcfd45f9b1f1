import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Response } from 'supertest';
import { TestService } from '../../helpers/test-service.js';

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly examples: Examples }>> };
}

interface Schema {
  readonly examples?: readonly string[];
  readonly items?: Schema;
  readonly $ref?: string;
}

type Examples = Readonly<Record<string, { readonly value: Readonly<Record<string, unknown>> }>>;

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

let service: TestService;
let document: Document;

beforeAll(async () => {
  // nothing is in it: the platform of who tries the API for the first time
  service = await TestService.start();
  document = (await service.request('GET', '/openapi.json').expect(200)).body as Document;
});

afterAll(() => service.stop());

function operationOf(method: string, path: string): Operation {
  const operation = document.paths[path]?.[method];
  if (!operation) throw new Error(`${method} ${path} is not in the document`);
  return operation;
}

function bodiesOf(method: string, path: string): [string, Readonly<Record<string, unknown>>][] {
  const examples = operationOf(method, path).requestBody?.content['application/json']?.examples ?? {};
  return Object.entries(examples).map(([name, { value }]) => [name, value]);
}

function withBodies(): [string, string][] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([, { requestBody }]) => requestBody !== undefined)
      .map(([method]): [string, string] => [method, path]),
  );
}

async function create(body: Readonly<Record<string, unknown>>): Promise<Response> {
  return service.post('/api/stores', body);
}

describe('the example bodies of the OpenAPI document', () => {
  it('are there for every operation that takes a body', () => {
    expect(withBodies().map(([method, path]) => [method, path, bodiesOf(method, path).length > 0])).toEqual(
      withBodies().map(([method, path]) => [method, path, true]),
    );
  });

  it('create stores on a platform that has none, each its own', async () => {
    const bodies = bodiesOf('post', '/api/stores');
    for (const [name, body] of bodies) {
      const { status, body: store } = await create(body);
      expect([name, status]).toEqual([name, 201]);
      expect(store).toMatchObject(body);
    }
    expect((await service.get('/api/stores').expect(200)).body.items).toHaveLength(bodies.length);
  });

  it('replace a store that was just created', async () => {
    for (const [index, [name, body]] of bodiesOf('put', '/api/stores/{id}').entries()) {
      const [, created] = bodiesOf('post', '/api/stores')[0] ?? [];
      const { body: store } = await create({ ...created, code: `REPLACED-${index}` });
      const request = service.put(`/api/stores/${String(store.id)}`, body);
      const response = await ('version' in body ? request : request.set('If-Match', '"v1"'));
      expect([name, response.status]).toEqual([name, 200]);
      const { version, ...fields } = body;
      expect(response.body).toMatchObject({ ...fields, version: Number(version ?? 1) + 1 });
    }
  });

  it('give reasons that are good enough', async () => {
    for (const action of ['isolate', 'restore']) {
      const path = `/admin/breakers/{name}/${action}`;
      const name = operationOf('post', path).parameters.find((one) => one.name === 'name')?.schema
        .examples?.[0];
      for (const [, body] of bodiesOf('post', path))
        await service.post(`/admin/breakers/${name}/${action}`, body, 'admin').expect(200);
    }
    for (const action of ['drop', 'requeue']) {
      for (const [, body] of bodiesOf('post', `/admin/queue/{id}/${action}`)) {
        const response = await service.post(`/admin/queue/${randomUUID()}/${action}`, body, 'admin');
        // the body was read before the entry was looked for
        expect([response.status, response.body.code]).toEqual([404, 'journal_entry_not_found']);
      }
    }
  });
});

describe('the example parameters of the OpenAPI document', () => {
  it('are taken by the operation that they belong to', async () => {
    const tried: string[] = [];
    for (const [path, item] of Object.entries(document.paths)) {
      const { get } = item;
      if (!get) continue;
      for (const { name, in: place, schema } of get.parameters.filter(
        (parameter) => parameter.in !== 'path',
      )) {
        const target = schema.$ref
          ? document.components.schemas[schema.$ref.split('/').at(-1) ?? '']
          : schema;
        for (const example of [...(target?.examples ?? []), ...(target?.items?.examples ?? [])]) {
          const url = path.replace('{id}', randomUUID()).replace('{code}', 'internal');
          const query = place === 'query' ? `?${new URLSearchParams({ [name]: example }).toString()}` : '';
          const request = service.request('GET', `${url}${query}`, 'admin');
          const { status } = await (place === 'header' ? request.set(name, example) : request);
          expect([path, name, example, [200, 404].includes(status)]).toEqual([path, name, example, true]);
          tried.push(name);
        }
      }
    }
    expect(tried).toEqual(
      expect.arrayContaining(['region', 'country', 'label', 'updatedSince', 'Prefer', 'If-None-Match']),
    );
  });

  it('are taken by changes, too', async () => {
    for (const method of ['put', 'delete'] as const) {
      const headers = operationOf(method, '/api/stores/{id}').parameters.filter(
        ({ in: place, schema }) => place === 'header' && schema.examples !== undefined,
      );
      expect(headers.map(({ name }) => name)).toEqual(
        expect.arrayContaining(['If-Match', 'Idempotency-Key', 'Prefer']),
      );
      const values = Object.fromEntries(
        headers
          .filter(({ name }) => name !== 'If-None-Match')
          .map(({ name, schema }) => [name, schema.examples?.[0] ?? '']),
      );
      const [, body = {}] = bodiesOf('put', '/api/stores/{id}')[1] ?? [];
      const path = `/api/stores/${randomUUID()}`;
      // a key is of one caller, and of one request of theirs
      const request = method === 'put' ? service.put(path, body) : service.delete(path, 'second');
      const response = await request.set(values);
      expect([method, response.status, response.body.code]).toEqual([method, 404, 'store_not_found']);
    }
  });
});
