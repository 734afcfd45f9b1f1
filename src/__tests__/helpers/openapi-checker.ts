import type { Response } from 'supertest';
import { SchemaCompiler } from './schema-compiler.js';

interface Reference {
  readonly $ref: string;
}

interface ResponseObject {
  readonly headers?: Readonly<Record<string, Reference>>;
  readonly content?: Readonly<Record<string, { readonly schema: object }>>;
}

export interface OpenApiDocument {
  readonly paths: Readonly<
    Record<
      string,
      Readonly<Record<string, { readonly responses: Readonly<Record<string, ResponseObject | Reference>> }>>
    >
  >;
  readonly components: {
    readonly headers: Readonly<Record<string, { readonly required?: boolean }>>;
    readonly responses: Readonly<Record<string, ResponseObject>>;
    readonly schemas: object;
  };
}

/** Checks responses against an OpenAPI document: status, media type, headers and body must all be as it says. */
export class OpenApiChecker {
  readonly #document: OpenApiDocument;
  readonly #schemas: SchemaCompiler;

  constructor(document: OpenApiDocument) {
    this.#document = document;
    this.#schemas = new SchemaCompiler(document.components);
  }

  /**
   * @param path of the request, without its query
   * @throws {Error} naming what is not as the document says
   */
  check(method: string, path: string, response: Response): void {
    const operation = this.#operationOf(method, path);
    // a route that does not exist, or not with this method, has no contract but that its answer is a problem
    const documented = operation?.responses[String(response.status)];
    const contract = documented ? this.#resolve(documented) : undocumented(method, response.status);
    const where = `${method} ${path} → ${response.status}`;
    if (!contract) throw new Error(`${where} is not in the OpenAPI document`);
    for (const header of Object.keys(contract.headers ?? {})) {
      const isRequired = this.#document.components.headers[header]?.required === true;
      if (isRequired && response.get(header) === undefined)
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
    const value: unknown = type.endsWith('json') ? JSON.parse(response.text) : response.text;
    const faults = this.#schemas.faultsOf(schema, value);
    if (faults !== undefined)
      throw new Error(`${where} is not as its schema says: ${faults}\n${response.text}`);
  }

  /** An answer that is described once for several operations. */
  #resolve(response: ResponseObject | Reference): ResponseObject | undefined {
    return '$ref' in response ? this.#document.components.responses[nameIn(response)] : response;
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

function nameIn({ $ref }: Reference): string {
  return $ref.slice($ref.lastIndexOf('/') + 1);
}
