import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { Response } from 'supertest';

interface ResponseObject {
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content?: Readonly<Record<string, { readonly schema: object }>>;
}

export interface OpenApiDocument {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly responses: Readonly<Record<string, ResponseObject>> }>>>
  >;
  readonly components: object;
}

/** Headers of some occurrences of an answer only. */
const occasionalHeaders: readonly string[] = [
  'Link',
  'Idempotent-Replayed',
  'Retry-After',
  'Age',
  'Cache-Status',
  'Preference-Applied',
];

/** Checks responses against an OpenAPI document: status, media type, headers and body must all be as it says. */
export class OpenApiChecker {
  readonly #document: OpenApiDocument;
  readonly #ajv: Ajv2020;
  readonly #validators = new Map<string, ValidateFunction>();

  constructor(document: OpenApiDocument) {
    this.#document = document;
    this.#ajv = new Ajv2020({ strict: false, allErrors: true });
    addFormats.default(this.#ajv);
    // ajv-formats knows addresses in ASCII only
    this.#ajv.addFormat('idn-email', /^\S+@\S+$/u);
    this.#ajv.addSchema({ $id: 'openapi', components: document.components });
  }

  /**
   * @param path of the request, without its query
   * @throws {Error} naming what is not as the document says
   */
  check(method: string, path: string, response: Response): void {
    const operation = this.#operationOf(method, path);
    // a route that does not exist, or not with this method, has no contract but that its answer is a problem
    const contract = operation?.responses[String(response.status)] ?? undocumented(method, response.status);
    const where = `${method} ${path} → ${response.status}`;
    if (!contract) throw new Error(`${where} is not in the OpenAPI document`);
    for (const header of Object.keys(contract.headers ?? {})) {
      if (!occasionalHeaders.includes(header) && response.get(header) === undefined)
        throw new Error(`${where} lacks the header ${header}`);
    }
    if (method !== 'HEAD') this.#checkBody(where, contract, response);
  }

  #checkBody(where: string, contract: ResponseObject, response: Response): void {
    const types = Object.keys(contract.content ?? {});
    const [type = ''] = (response.get('Content-Type') ?? '').split(';');
    if (types.length === 0) {
      if (response.text !== '') throw new Error(`${where} has a body, and should have none`);
      return;
    }
    const schema = contract.content?.[type]?.schema;
    if (!schema) throw new Error(`${where} is ${type}, and should be ${types.join(' or ')}`);
    const key = JSON.stringify(schema);
    const validate = this.#validators.get(key) ?? this.#ajv.compile(withAbsoluteReferences(schema));
    this.#validators.set(key, validate);
    if (!validate(type.endsWith('json') ? JSON.parse(response.text) : response.text)) {
      throw new Error(
        `${where} is not as its schema says: ${this.#ajv.errorsText(validate.errors)}\n${response.text}`,
      );
    }
  }

  #operationOf(method: string, path: string) {
    const name = method.toLowerCase() === 'head' ? 'get' : method.toLowerCase();
    const match = Object.entries(this.#document.paths).find(([template]) =>
      new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path),
    );
    return match?.[1][name];
  }
}

const problemSchema = { $ref: '#/components/schemas/Problem' };

function undocumented(method: string, status: number): ResponseObject | undefined {
  if (method === 'OPTIONS' && status === 204) return {};
  const isRouting = status === 401 || status === 404 || status === 405;
  return isRouting ? { content: { 'application/problem+json': { schema: problemSchema } } } : undefined;
}

function withAbsoluteReferences(schema: object): object {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"openapi#/components')) as object;
}
