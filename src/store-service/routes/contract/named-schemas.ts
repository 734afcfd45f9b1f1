import type Joi from 'joi';
import { type JsonSchema, toJsonSchema } from '../../../shared/validation/json-schema.js';

/**
 * Schemas by name. Wherever one of them occurs in another, a reference to its name takes its place: clients that are
 * generated from the document get one type for one thing. A description of its own stays beside the reference.
 */
export class NamedSchemas {
  readonly #byName = new Map<string, JsonSchema>();
  /** Names, by everything that a schema demands. */
  readonly #names = new Map<string, string>();

  /**
   * @param schemas those that occur in others come first
   * @throws {Error} if two of them demand the same: which name is meant would be chance
   */
  constructor(schemas: Readonly<Record<string, Joi.Schema>>) {
    for (const [name, schema] of Object.entries(schemas)) {
      const described = this.describe(schema);
      if ('$ref' in described) throw new Error(`Schema ${name} is the same as ${String(described['$ref'])}`);
      this.#byName.set(name, described);
      this.#names.set(demandsOf(described), name);
    }
  }

  /** The JSON Schema of what a Joi schema accepts, with references to those that have a name. */
  describe(schema: Joi.Schema): JsonSchema {
    return this.refer(toJsonSchema(schema));
  }

  /** The same schema, with references to those that have a name. */
  refer(schema: JsonSchema): JsonSchema {
    return this.#replace(schema) as JsonSchema;
  }

  /** All of them, by name. */
  get all(): Readonly<Record<string, JsonSchema>> {
    return Object.fromEntries(this.#byName);
  }

  #replace(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#replace(item));
    if (typeof value !== 'object' || value === null) return value;
    const schema = asMap(
      Object.fromEntries(Object.entries(value).map(([key, member]) => [key, this.#replace(member)])),
    );
    const name = this.#names.get(demandsOf(schema));
    if (name === undefined) return schema;
    const { description } = schema;
    const isItsOwn = description !== undefined && description !== this.#byName.get(name)?.['description'];
    return { $ref: `#/components/schemas/${name}`, ...(isItsOwn && { description }) };
  }
}

/**
 * An object whose names all follow one pattern, said in the words that generators of clients know: most of them pass over
 * `patternProperties`.
 */
function asMap({ patternProperties, ...schema }: JsonSchema): JsonSchema {
  const patterns = Object.entries(patternProperties ?? {});
  const [[pattern, values] = []] = patterns;
  if (patternProperties === undefined) return schema;
  if (patterns.length > 1 || 'properties' in schema || schema['additionalProperties'] !== false) {
    return { patternProperties, ...schema };
  }
  return { ...schema, propertyNames: { type: 'string', pattern }, additionalProperties: values };
}

function demandsOf({ description, ...demands }: JsonSchema): string {
  return JSON.stringify(demands);
}
