import type Joi from 'joi';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** What Joi 18 implements of the Standard JSON Schema interface; its typings do not show it yet. */
interface StandardJsonSchema {
  readonly '~standard': { readonly jsonSchema: { input(options: { target: string }): JsonSchema } };
}

/** The JSON Schema (draft 2020-12) of what a Joi schema accepts. */
export function toJsonSchema(schema: Joi.Schema): JsonSchema {
  return (schema as unknown as StandardJsonSchema)['~standard'].jsonSchema.input({ target: 'draft-2020-12' });
}
