import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isRecord, objectsIn, type Place, resolve } from '../../helpers/openapi-walk.js';
import { SchemaCompiler } from '../../helpers/schema-compiler.js';
import { TestService } from '../../helpers/test-service.js';

interface Described {
  readonly description?: string;
  readonly schema?: Schema;
  readonly example?: unknown;
}

type Schema = Readonly<Record<string, unknown>>;

interface Document {
  readonly servers: readonly { readonly url: string }[];
  readonly info: { readonly description: string };
  readonly tags: readonly { readonly name: string; readonly description?: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: Readonly<
    Record<'headers' | 'schemas' | 'responses', Readonly<Record<string, Schema>>>
  >;
}

interface Operation {
  readonly operationId: string;
  readonly description?: string;
  readonly parameters: readonly (Described & { readonly name: string; readonly in: string })[];
  readonly responses: Readonly<Record<string, unknown>>;
}

let service: TestService;
let document: Document;
let schemas: SchemaCompiler;

beforeAll(async () => {
  service = await TestService.start();
  document = (await service.request('GET', '/openapi.json').expect(200)).body as Document;
  schemas = new SchemaCompiler(document.components);
});

afterAll(() => service.stop());

function operations(): (Operation & { readonly name: string })[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      ...operation,
      name: `${method.toUpperCase()} ${path}`,
    })),
  );
}

function places(matches: (place: Place) => boolean): Place[] {
  return [...objectsIn(document)].filter(matches);
}

function hasDescription(value: unknown): boolean {
  const target = resolve(document, value);
  return [value, target].some(
    (one) => isRecord(one) && typeof one['description'] === 'string' && one['description'].length > 3,
  );
}

describe('what the OpenAPI document says', () => {
  it('names the address that it came from as the server', () => {
    expect(
      document.servers.map(({ url }) => new URL(url, 'http://127.0.0.1:3000/openapi.json').href),
    ).toEqual(['http://127.0.0.1:3000/']);
  });

  it('describes every tag, operation, parameter, answer, header and schema', () => {
    const undescribed = [
      ...document.tags.filter((tag) => !hasDescription(tag)).map(({ name }) => name),
      ...operations().flatMap((operation) => [
        ...(hasDescription(operation) ? [] : [operation.name]),
        ...operation.parameters
          .filter((parameter) => !hasDescription(parameter))
          .map(({ name }) => `${operation.name} ${name}`),
        ...Object.entries(operation.responses)
          .filter(([, response]) => !hasDescription(response))
          .map(([status]) => `${operation.name} ${status}`),
      ]),
      ...Object.values(document.components).flatMap((named) =>
        Object.entries(named)
          .filter(([name, value]) => name !== 'bearer' && !hasDescription(value))
          .map(([name]) => name),
      ),
    ];
    expect(undescribed).toEqual([]);
  });

  it('describes every field of every schema', () => {
    const maps = places(({ pointer, value }) => pointer.endsWith('/properties') && !('$ref' in value));
    expect(maps.length).toBeGreaterThan(30);
    const undescribed = maps
      .filter(({ pointer }) => !pointer.includes('/application~1problem+json/'))
      .flatMap(({ pointer, value }) =>
        Object.entries(value)
          .filter(
            ([, field]) => !hasDescription(field) && !(isRecord(field) && hasDescription(field['items'])),
          )
          .map(([name]) => `${pointer}/${name}`),
      );
    expect(undescribed).toEqual([]);
  });

  it.each([
    ['currency', /pattern/],
    ['country', /pattern/],
    ['region', /pattern/],
    ['timezone', /pattern/],
    ['locale', /pattern/],
    ['email', /format/],
    ['phone', /pattern/],
    ['openingDate', /format/],
    ['code', /pattern/],
  ])('says which form %s has, with an example that has it', (name, keyword) => {
    const fields = places(
      ({ pointer }) =>
        /\/schemas\/(StoreCreation|Address|Contact)\//.test(pointer) &&
        pointer.endsWith(`/properties/${name}`),
    );
    expect(fields).toHaveLength(1);
    expect(Object.keys(fields[0]?.value ?? {}).join()).toMatch(keyword);
  });

  it.each(['region', 'country', 'code', 'updatedSince', 'cursor'])(
    'says which form the parameter %s has, and which text has it not',
    (name) => {
      const parameter = document.paths['/api/stores']?.['get']?.parameters.find((one) => one.name === name);
      const faults = schemas.faultsOf(parameter?.schema ?? {}, 'no such thing!');
      expect(faults).toMatch(/pattern|format/);
    },
  );

  it.each([
    ['If-Match', '"v3"', 'v3'],
    ['If-None-Match', '*', '**'],
    ['Idempotency-Key', 'opening-ber-100', 'größe'],
    ['Prefer', 'wait=10, respond-async', 'wait==10'],
    ['X-Consistency-Token', 'AAAAAQAAAAADDe6I', 'AAAA'],
  ])('says which form the header %s has', (name, good, bad) => {
    const parameters = operations().flatMap((operation) =>
      operation.parameters.filter((one) => one.name === name),
    );
    expect(parameters.length).toBeGreaterThan(0);
    for (const { schema = {} } of parameters) {
      expect(schemas.faultsOf(schema, good)).toBeUndefined();
      expect(schemas.faultsOf(schema, bad)).toMatch(/pattern/);
    }
  });

  it('has examples that are as their schemas say, wherever it has any', () => {
    const withExamples = places(({ value }) => 'schema' in value || Array.isArray(value['examples']));
    const faults = withExamples.flatMap(({ pointer, value }) => {
      const schema = isRecord(value['schema']) ? value['schema'] : value;
      return examplesOf(value).map((example) => [pointer, schemas.faultsOf(schema, example)]);
    });
    expect(faults.length).toBeGreaterThan(60);
    expect(faults.filter(([, fault]) => fault !== undefined)).toEqual([]);
  });

  it('says which headers every answer of its kind has', () => {
    const required = Object.entries(document.components.headers).filter(([, header]) => header['required']);
    expect(required.map(([name]) => name).sort()).toEqual(
      ['ETag', 'Location', 'WWW-Authenticate', 'X-Consistency-Token', 'X-Request-Id'].sort(),
    );
  });

  it('tells of what befalls any request, and of callers who ask too much', () => {
    for (const { name, responses, ...operation } of operations()) {
      const isPublic = 'security' in operation;
      const statuses = ['400', '408', '431', '500', ...(isPublic ? [] : ['401', '403', '429', '503'])];
      expect([name, Object.keys(responses)]).toEqual([name, expect.arrayContaining(statuses)]);
      if ('requestBody' in operation)
        expect([name, Object.keys(responses)]).toEqual([name, expect.arrayContaining(['413', '415', '422'])]);
    }
  });

  it('tells of methods that no path lists', () => {
    for (const method of ['HEAD', 'OPTIONS', 'TRACE', 'CONNECT'])
      expect(document.info.description).toContain(method);
  });

  it('gives everything that comes up in several places one name', () => {
    const inline = places(
      ({ pointer, value }) =>
        /^#\/(paths|components\/schemas)\/.*\/(properties|items)\//.test(pointer) &&
        value['type'] === 'object' &&
        isRecord(value['properties']),
    );
    const texts = inline.map(({ value }) => JSON.stringify(value['properties']));
    expect(texts.filter((text, index) => texts.indexOf(text) !== index)).toEqual([]);
    expect(document.components.schemas['Store']?.['properties']).toMatchObject({
      address: { $ref: '#/components/schemas/Address' },
      contact: { $ref: '#/components/schemas/Contact' },
      status: { $ref: '#/components/schemas/StoreStatus' },
      format: { $ref: '#/components/schemas/StoreFormat' },
    });
  });

  it('has schemas that generators of clients get on with', () => {
    const names = Object.keys(document.components.schemas);
    // Go calls what makes an X NewX; Java has no enumeration of booleans
    expect(names.filter((name) => names.includes(`New${name}`))).toEqual([]);
    const enumerations = places(({ value }) => Array.isArray(value['enum']));
    expect(enumerations.length).toBeGreaterThan(20);
    expect(enumerations.filter(({ value }) => value['type'] === 'boolean')).toEqual([]);
  });

  it('tells operations apart by their status', () => {
    expect(document.components.schemas['Operation']).toMatchObject({
      oneOf: expect.any(Array),
      discriminator: {
        propertyName: 'status',
        mapping: {
          QUEUED: '#/components/schemas/QueuedOperation',
          SUCCEEDED: '#/components/schemas/SucceededOperation',
          FAILED: '#/components/schemas/FailedOperation',
          PARKED: '#/components/schemas/ParkedOperation',
        },
      },
    });
  });

  it('holds nothing that Swagger UI warns of', () => {
    // a dialect other than that of OpenAPI makes a red box on top of the page
    expect(document).not.toHaveProperty('jsonSchemaDialect');
  });
});

/** Examples of a schema, or of what has one: a parameter, a header, a media type. */
function examplesOf({ example, examples }: Place['value']): unknown[] {
  const several = isRecord(examples)
    ? Object.values(examples).map((one) => (isRecord(one) ? one['value'] : undefined))
    : [];
  return [
    ...(example === undefined ? [] : [example]),
    ...(Array.isArray(examples) ? (examples as unknown[]) : several),
  ];
}
