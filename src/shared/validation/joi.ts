import JoiBase from 'joi';
import {
  countCharacters,
  isSurelyTooLong,
  normaliseText,
  plainTextProblem,
  richTextProblem,
} from './text.js';

/** How long a text may be, in characters (code points) after normalisation. */
export interface TextLimits {
  /** 1 unless told. */
  readonly min?: number;
  readonly max: number;
}

interface TextRule extends TextLimits {
  readonly kind: 'plain' | 'rich';
}

const textExtension = {
  type: 'text',
  base: JoiBase.any(),
  flags: { rule: { default: undefined } },
  messages: {
    'text.base': 'must be a string',
    'text.empty': 'must not be empty',
    'text.max': 'must have at most {#max} characters',
    'text.control_character': 'must not contain control characters',
    'text.invisible_character': 'must not contain zero-width, bidirectional or other invisible characters',
    'text.lone_surrogate': 'must be well-formed Unicode: it contains one half of a surrogate pair',
    'text.stacked_marks': 'must not have more than 30 combining marks in a row',
    'text.markup': 'must be plain text: "<" must not be followed by a letter, "/", "!" or "?"',
  },
  validate(value: unknown, { schema, error }: JoiBase.CustomHelpers) {
    const { kind, min = 1, max } = ruleOf(schema);
    if (typeof value !== 'string') return { value, errors: error('text.base') };
    if (isSurelyTooLong(value, max)) return { value, errors: error('text.max', { max }) };
    const text = normaliseText(value);
    const problem = kind === 'plain' ? plainTextProblem(text) : richTextProblem(text);
    if (problem !== undefined) return { value, errors: error(`text.${problem}`) };
    if (text.length < min) return { value, errors: error('text.empty') };
    if (countCharacters(text) > max) return { value, errors: error('text.max', { max }) };
    return { value: text };
  },
  jsonSchema(schema: JoiBase.Schema, result: object) {
    const { min = 1, max } = ruleOf(schema);
    return { ...result, type: 'string', minLength: min, maxLength: max };
  },
};

const joi = JoiBase.extend(textExtension) as JoiBase.Root & { text(): JoiBase.AnySchema<string> };

function ruleOf(schema: JoiBase.Schema): TextRule {
  return schema.$_getFlag('rule') as TextRule;
}

/** One line of plain text: NFC, trimmed; no control, invisible or bidirectional characters, no markup. */
export function plainText(limits: TextLimits): JoiBase.AnySchema<string> {
  return textOf({ ...limits, kind: 'plain' });
}

/** Several lines, markup allowed: NFC, trimmed; to be sanitised before it is stored. */
export function richText(limits: TextLimits): JoiBase.AnySchema<string> {
  return textOf({ ...limits, kind: 'rich' });
}

/** Joi's typings say that setting a flag returns nothing; it returns the changed schema. */
function textOf(rule: TextRule): JoiBase.AnySchema<string> {
  const setFlag: (name: string, value: unknown) => unknown = joi.text().$_setFlag.bind(joi.text());
  return setFlag('rule', rule) as JoiBase.AnySchema<string>;
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
