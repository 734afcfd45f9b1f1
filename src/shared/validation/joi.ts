import JoiBase from 'joi';
import { countCharacters, normaliseText, plainTextProblem, richTextProblem } from './text.js';

/** How long a text may be, in characters (code points) after normalisation. */
export interface TextLimits {
  /** 1 unless told. */
  readonly min?: number;
  readonly max: number;
}

/** What the JSON Schema of a text says of it; nothing here is checked, so it has to agree with the rule. */
export interface SchemaNotes {
  /** `description()` of a schema goes before it: for a field that means something special. */
  readonly description?: string;
  /** Of JSON Schema's vocabulary: `date`, `date-time`, `uuid`, `idn-email`. */
  readonly format?: string;
  /** Matches every normalised text that is accepted; a text that matches may be refused for another reason. */
  readonly pattern?: RegExp;
  readonly examples?: readonly string[];
}

interface TextRule extends TextLimits {
  readonly kind: 'plain' | 'rich';
}

const textExtension = {
  type: 'text',
  base: JoiBase.any(),
  flags: { rule: { default: undefined }, notes: { default: undefined } },
  messages: {
    'text.base': 'must be a string',
    'text.empty': 'must not be empty',
    'text.max': 'must have at most {#max} characters',
    'text.control_character': 'must not contain control characters',
    'text.invisible_character': 'must not contain zero-width, bidirectional or other invisible characters',
    'text.lone_surrogate': 'must be well-formed Unicode: it contains one half of a surrogate pair',
    'text.markup': 'must be plain text: "<" must not be followed by a letter, "/", "!" or "?"',
  },
  validate(value: unknown, { schema, error }: JoiBase.CustomHelpers) {
    const { kind, min = 1, max } = ruleOf(schema);
    if (typeof value !== 'string') return { value, errors: error('text.base') };
    const text = normaliseText(value);
    const problem = kind === 'plain' ? plainTextProblem(text) : richTextProblem(text);
    if (problem !== undefined) return { value, errors: error(`text.${problem}`) };
    if (text.length < min) return { value, errors: error('text.empty') };
    if (countCharacters(text) > max) return { value, errors: error('text.max', { max }) };
    return { value: text };
  },
  jsonSchema(schema: JoiBase.Schema, result: object) {
    const { min = 1, max } = ruleOf(schema);
    return { ...schemaNotesOf(schema), ...result, type: 'string', minLength: min, maxLength: max };
  },
};

/** `Joi.string()` whose JSON Schema has its notes, too; its own description leaves out format and examples. */
const stringExtension = {
  type: 'string',
  base: JoiBase.string(),
  flags: { notes: { default: undefined } },
  jsonSchema(schema: JoiBase.Schema, result: object) {
    return { ...schemaNotesOf(schema), ...result, ...(!schema.$_getFlag('only') && { minLength: 1 }) };
  },
};

const joi = JoiBase.extend(textExtension, stringExtension) as JoiBase.Root & {
  text(): JoiBase.AnySchema<string>;
};

function ruleOf(schema: JoiBase.Schema): TextRule {
  return schema.$_getFlag('rule') as TextRule;
}

function schemaNotesOf(schema: JoiBase.Schema): object {
  const notes = schema.$_getFlag('notes') as SchemaNotes | undefined;
  return notes === undefined ? {} : { ...notes, ...(notes.pattern && { pattern: notes.pattern.source }) };
}

/** One line of plain text: NFC, trimmed; no control, invisible or bidirectional characters, no markup. */
export function plainText(limits: TextLimits): JoiBase.AnySchema<string> {
  return textOf({ ...limits, kind: 'plain' });
}

/** Several lines, markup allowed: NFC, trimmed; to be sanitised before it is stored. */
export function richText(limits: TextLimits): JoiBase.AnySchema<string> {
  return textOf({ ...limits, kind: 'rich' });
}

/** A text that is taken as it is, without being normalised: for codes, dates and times. */
export function exactText(): JoiBase.StringSchema {
  return joi.string();
}

/** Has the JSON Schema of a text of this module say what it should be, beside the lengths that it tells by itself. */
export function withNotes<S extends JoiBase.AnySchema>(schema: S, notes: SchemaNotes): S {
  return withFlag(schema, 'notes', notes);
}

function textOf(rule: TextRule): JoiBase.AnySchema<string> {
  return withFlag(joi.text(), 'rule', rule);
}

/** Joi's typings say that setting a flag returns nothing; it returns the changed schema. */
function withFlag<S extends JoiBase.AnySchema>(schema: S, name: string, value: unknown): S {
  const setFlag: (name: string, value: unknown) => unknown = schema.$_setFlag.bind(schema);
  return setFlag(name, value) as S;
}

/** Adds a rule to a schema: `explanation` completes the sentence "<field> …", `code` is stable. */
export function withRule<S extends JoiBase.AnySchema>(
  schema: S,
  code: string,
  explanation: string,
  isValid: (value: string) => boolean,
): S {
  return schema
    .custom((value: string, { error }) => (isValid(value) ? value : error(`rule.${code}`)))
    .messages({ [`rule.${code}`]: explanation });
}

/** What a rule reads in a text: the value in its canonical form, or what is wrong, as the end of "<field> …". */
export type Reading = { readonly value: string } | { readonly fault: string };

/** Adds a rule that gives a text its canonical form; `code` is stable. A canonical form must be read as itself. */
export function withReading<S extends JoiBase.AnySchema>(
  schema: S,
  code: string,
  read: (value: string, helpers: JoiBase.CustomHelpers) => Reading,
): S {
  return schema
    .custom((value: string, helpers) => {
      const reading = read(value, helpers);
      if ('value' in reading) return reading.value;
      return helpers.error(`rule.${code}`, { fault: reading.fault });
    })
    .messages({ [`rule.${code}`]: '{#fault}' });
}
