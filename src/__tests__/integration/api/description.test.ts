import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { randomUUID } from 'node:crypto';
import supertest from 'supertest';
import { SchemaCompiler } from '../../helpers/schema-compiler.js';
import { fullStoreBody } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;
let document: OpenApi;

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters: readonly { name: string; in: string; required?: boolean; schema: object }[];
  readonly requestBody?: { readonly content: Record<string, { schema: Record<string, unknown> }> };
  readonly responses: Record<string, { description: string; headers: Record<string, { $ref: string }> }>;
  readonly security?: readonly object[];
}

interface OpenApi {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly tags: readonly { name: string }[];
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: Record<string, Record<string, object>>;
}

beforeAll(async () => {
  service = await TestService.start();
  document = (await service.request('GET', '/openapi.json').expect(200)).body as OpenApi;
});

afterAll(() => service.stop());

function operations(): { method: string; path: string; operation: Operation }[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method, path, operation })),
  );
}

describe('the OpenAPI document', () => {
  it('is of version 3.1, with the version of the package', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
    expect(document.info.version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('describes every operation once, whole, and with problems', () => {
    const all = operations();
    expect(new Set(all.map(({ operation }) => operation.operationId)).size).toBe(all.length);
    for (const { path, operation } of all) {
      expect(operation.summary).not.toBe('');
      expect(document.tags.map(({ name }) => name)).toEqual(expect.arrayContaining([...operation.tags]));
      expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(['400', '500']));
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const described = operation.parameters.filter((parameter) => parameter.in === 'path');
      expect(described.map(({ name }) => name)).toEqual(inPath);
      expect(described.every(({ required }) => required === true)).toBe(true);
    }
  });

  it('holds valid JSON Schemas only, and no reference that leads nowhere', () => {
    const ajv = new Ajv2020({ strict: false });
    addFormats.default(ajv);
    ajv.addSchema({ $id: 'openapi', components: document.components });
    const schemas = operations().flatMap(({ operation }) => [
      ...operation.parameters.map(({ schema }) => schema),
      ...Object.values(operation.requestBody?.content ?? {}).map(({ schema }) => schema),
    ]);
    for (const schema of [...schemas, ...Object.values(document.components['schemas'] ?? {})]) {
      expect(ajv.validateSchema(schema)).toBe(true);
    }
    for (const [, path = ''] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const target = path
        .split('/')
        .reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], document);
      expect([path, target]).toEqual([path, expect.any(Object)]);
    }
  });

  it('has a schema for the body that takes a good one and refuses a bad one', () => {
    const operation = document.paths['/api/stores']?.['post'];
    const schema = operation?.requestBody?.content['application/json']?.schema ?? {};
    const validate = new SchemaCompiler(document.components).compile(schema);
    expect(validate(fullStoreBody())).toBe(true);
    expect(validate(fullStoreBody({ surprise: 1 }))).toBe(false);
    expect(validate(fullStoreBody({ code: 'lower' }))).toBe(false);
    expect(validate(fullStoreBody({ name: undefined }))).toBe(false);
  });

  it('lists routes that are all there', async () => {
    for (const { method, path } of operations()) {
      const url = path.replace('{id}', randomUUID()).replace('{code}', 'internal');
      const response = await service.request(method, url, 'admin');
      expect([method, path, response.status]).not.toEqual([method, path, 405]);
      if (response.status === 404)
        expect(response.body.code).toMatch(/^(store|operation|journal_entry)_not_found$/);
    }
  });

  it('asks for a credential everywhere but on what is public', async () => {
    for (const { method, path, operation } of operations()) {
      const url = path.replace('{id}', randomUUID()).replace('{code}', 'internal');
      const { status } = await service.request(method, url);
      expect([method, path, status === 401]).toEqual([method, path, operation.security === undefined]);
    }
  });
});

describe('/docs', () => {
  const get = (path: string) => supertest(service.context.app).get(path);

  it('is a page that needs nothing from elsewhere', async () => {
    const { text, headers } = await get('/docs').expect(200).expect('Content-Type', /html/);
    const policy = headers['content-security-policy'] ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toMatch(/https?:|\*/);
    const links = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link ?? '');
    const local = links.filter((link) => !link.startsWith('data:'));
    expect(local).toHaveLength(3);
    for (const link of local) {
      const asset = await get(link).expect(200);
      expect(asset.get('Content-Security-Policy')).toBe(policy);
      expect(asset.get('Content-Type')).toMatch(link.endsWith('.css') ? /css/ : /javascript/);
      expect(asset.get('Cache-Control')).toBe('public, max-age=300');
      expect(asset.get('X-Content-Type-Options')).toBe('nosniff');
    }
  });

  it('shows the document of this service', async () => {
    expect((await get('/docs/start.js').expect(200)).text).toContain("url: '/openapi.json'");
  });

  it('serves nothing else from its folder, and tells no cache to keep that', async () => {
    for (const path of ['/docs/package.json', '/docs/..%2fpackage.json', '/docs/swagger-ui.js']) {
      const response = await get(path).expect(401);
      expect(response.get('Cache-Control')).toBe('no-store');
    }
  });
});

describe('/health/live', () => {
  it('says that the process runs, to anybody', async () => {
    expect((await service.request('GET', '/health/live').expect(200)).body).toEqual({ status: 'ok' });
  });
});
