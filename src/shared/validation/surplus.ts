import type Joi from 'joi';

/** Members of an object that no schema names and that are looked at all the same; each costs time and is an error. */
const maxUnnamed = 100;

/** What Joi keeps of an object's schema; its typings do not show it. */
interface ObjectTerms {
  readonly keys?: readonly { readonly key: string; readonly schema: Joi.Schema }[] | null;
  readonly patterns?: readonly unknown[] | null;
}

export interface Trimmed {
  readonly value: unknown;
  /** Unknown members that were left out. */
  readonly omitted: number;
}

/**
 * Leaves out what no caller can want to be told of one by one: members of objects that no schema names, beyond the first
 * hundred. Of a map, what is left still is more than its schema allows.
 */
export function withoutSurplus(schema: Joi.Schema, value: unknown): Trimmed {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { value, omitted: 0 };
  const { keys, patterns } = schema.$_terms as ObjectTerms;
  const schemas = new Map((keys ?? []).map(({ key, schema: member }) => [key, member]));
  const isMap = (patterns?.length ?? 0) > 0;
  const kept: [string, unknown][] = [];
  let unnamed = 0;
  let omitted = 0;
  for (const [name, member] of Object.entries(value)) {
    const memberSchema = schemas.get(name);
    if (memberSchema) {
      const trimmed = withoutSurplus(memberSchema, member);
      omitted += trimmed.omitted;
      kept.push([name, trimmed.value]);
    } else if (unnamed < maxUnnamed) {
      unnamed += 1;
      kept.push([name, member]);
    } else if (!isMap) omitted += 1;
  }
  return { value: Object.fromEntries(kept), omitted };
}
