import { describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type Joi from 'joi';
import {
  country,
  currency,
  email,
  isoDate,
  locale,
  phone,
  slug,
  timezone,
} from '../../../shared/validation/formats.js';
import { toJsonSchema } from '../../../shared/validation/json-schema.js';
import { newStoreSchema } from '../../../store-service/models/store.js';
import { fullStoreBody } from '../../helpers/store-samples.js';

const ajv = new Ajv2020({ strict: false });
addFormats.default(ajv);
ajv.addFormat('idn-email', /@/);

const accepted: readonly (readonly [string, Joi.Schema, readonly string[]])[] = [
  ['slug', slug, ['eu-central', 'e1']],
  ['country', country, ['DE', 'XK']],
  ['currency', currency, ['EUR', 'XCG']],
  [
    'timezone',
    timezone,
    ['UTC', 'Etc/GMT+5', 'America/Port-au-Prince', 'Asia/Calcutta', 'GB-Eire', 'W-SU', 'NZ'],
  ],
  ['locale', locale, ['de-DE', 'sq-XK', 'es-419', 'de-CH-1996', 'en-US-u-ca-buddhist', 'gsw-CH']],
  ['email', email, ['erika@example.org', 'jörg@example.org', 'a@bücher.example']],
  ['phone', phone, ['+49 30 901820', '＋49 30 901820', 'tel:+49-30-901820', '+4930901820;ext=12']],
  ['date', isoDate, ['2026-12-01', '2028-02-29']],
];

describe.each(accepted)('the JSON Schema of a %s', (_name, schema, texts) => {
  const jsonSchema = toJsonSchema(schema);

  it('says what it is, and gives examples that are accepted', () => {
    expect(jsonSchema).toMatchObject({ type: 'string', description: expect.any(String) });
    const examples = jsonSchema['examples'] as string[];
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples)
      expect(schema.validate(example, { convert: false }).error).toBeUndefined();
  });

  it.each(texts)('takes what is accepted: %s', (text) => {
    expect(schema.validate(text, { convert: false }).error).toBeUndefined();
    expect(ajv.validate(jsonSchema, text)).toBe(true);
  });
});

describe('the JSON Schema of a store', () => {
  it('describes every field that callers write', () => {
    const undescribed = (schema: Record<string, unknown>, path: string): string[] =>
      Object.entries((schema['properties'] ?? {}) as Record<string, Record<string, unknown>>).flatMap(
        ([name, field]) => [
          ...(field['description'] === undefined && field['properties'] === undefined
            ? [`${path}/${name}`]
            : []),
          ...undescribed(field, `${path}/${name}`),
        ],
      );
    expect(undescribed(toJsonSchema(newStoreSchema), '')).toEqual([]);
  });

  it('needs no postal code, for there are countries without', () => {
    const { address } = toJsonSchema(newStoreSchema)['properties'] as Record<string, { required: string[] }>;
    expect(address?.required).toEqual(expect.arrayContaining(['line1', 'city', 'country']));
    expect(address?.required).not.toContain('postalCode');
    expect(ajv.validate(toJsonSchema(newStoreSchema), fullStoreBody())).toBe(true);
  });
});

describe('a locale', () => {
  it.each(['xx-YY', 'de-XX', 'de-YY', 'qq', 'de-Abcd-DE', 'iw', 'de-de', 'de_DE', 'i-klingon', ''])(
    'is not of subtags that are not registered, or in another form: %j',
    (text) => {
      expect(locale.validate(text, { convert: false }).error).toBeDefined();
    },
  );
});
