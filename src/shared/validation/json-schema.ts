import type Joi from 'joi';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** What Joi 18 implements of the Standard JSON Schema interface; its typings do not show it yet. */
interface StandardJsonSchema {
  readonly '~standard': { readonly jsonSchema: { input(options: { target: string }): JsonSchema } };
}

/** The JSON Schema (draft 2020-12) of what a Joi schema accepts. */
export function toJsonSchema(schema: Joi.Schema): JsonSchema {
  const { jsonSchema } = (schema as unknown as StandardJsonSchema)['~standard'];
  return withoutSingleChoices(jsonSchema.input({ target: 'draft-2020-12' })) as JsonSchema;
}

/** Joi writes a choice for every condition, also where its branches differ in nothing that JSON Schema says of a field. */
function withoutSingleChoices(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSingleChoices);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value);
  const [[name, choices] = []] = members;
  if (members.length === 1 && name === 'anyOf' && Array.isArray(choices) && choices.length === 1) {
    return withoutSingleChoices(choices[0]);
  }
  return Object.fromEntries(members.map(([key, member]) => [key, withoutSingleChoices(member)]));
}
