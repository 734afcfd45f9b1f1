import type { Request } from 'express';
import Joi from 'joi';
import { country, slug } from '../../shared/validation/formats.js';
import { exactText, plainText, withNotes, withRule } from '../../shared/validation/joi.js';
import { normaliseText } from '../../shared/validation/text.js';
import { parseQuery } from '../../shared/validation/validate.js';
import { storeCode, storeFormats, storeStatuses } from '../models/store.js';
import { type StoreFilter, type StoreSort, type StoreSortKey, storeSortKeys } from '../models/store-query.js';
import type { ListRequest } from '../services/store-queries.js';
import { readQuery } from './query.js';

/** RFC 3339, section 5.6. The year 0 is left out: databases have none. */
const timestampPattern = /^([1-9]\d{3}-\d\d-\d\d)T([01]\d|2[0-3]):\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

const labelPattern = /^([a-z0-9][a-z0-9._/-]{0,62}):(.*)$/su;

/** A label as it is stored: the value in the same normal form. */
const label = withRule(
  withNotes(plainText({ max: 192 }), {
    description: 'Key and value, separated by a colon',
    pattern: /^[a-z0-9][a-z0-9._/-]{0,62}:/,
    examples: ['wave:7'],
  }),
  'label',
  'must be key:value, where the key is that of a label',
  (text) => labelPattern.test(text),
);

const limit = Joi.number().integer().min(1).max(200).default(50).description('Most items in the page');
const cursor = withNotes(exactText().max(1024), {
  pattern: /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}$/,
}).description('`next` of the page before; filter and sort order must be the same');

/** Schemas of the query parameters of the list of stores, after the text was split and its numbers were read. */
export const listParameters = {
  status: Joi.array()
    .items(Joi.string().valid(...storeStatuses))
    .unique()
    .default(['PROVISIONING', 'ACTIVE'])
    .description('Statuses, comma-separated; decommissioned stores are listed only when asked for'),
  region: slug.description('Region'),
  country: country.description('Country, ISO 3166-1 alpha-2'),
  format: Joi.string()
    .valid(...storeFormats)
    .description('Format'),
  code: storeCode.description('Store code, exactly'),
  label: Joi.array()
    .items(label)
    .max(32)
    .custom((given: string[], { error }) =>
      new Set(given.map(toLabelKey)).size === given.length ? given : error('rule.repeated_key'),
    )
    .messages({ 'rule.repeated_key': 'must name each key once, for no store carries two values of one' })
    .description('A label the store must carry, as `key:value`; may be repeated, and all must match'),
  q: plainText({ max: 100 }).description(
    'Contained in name or code. Letter case (`STRASSE` finds `Straße`), diacritics and strokes (`cafe` finds `Café`, `lodz` ' +
      'finds `Łódź`), the kind of white space, dashes and quotes do not count',
  ),
  updatedSince: withRule(
    withNotes(exactText(), {
      format: 'date-time',
      pattern: timestampPattern,
      examples: ['2026-01-31T12:00:00Z'],
    }),
    'timestamp',
    'must be a time as RFC 3339 writes it, such as 2026-01-31T12:00:00Z (a "+" must be sent as %2B)',
    isTimestamp,
  ).description(
    'Changed at this time or later (RFC 3339). Not for polling: a change that waited for another one shows up after it, with ' +
      'an earlier time. `GET /api/changes` misses none',
  ),
  sort: Joi.string()
    .valid(...storeSortKeys.flatMap((key) => [key, `-${key}`]))
    .default('code')
    .description(
      'Sort key; `-` for descending. Names are in the order of the Unicode collation (CLDR, root): accented letters stand ' +
        'with their letter, letter case does not count, and `Store 9` comes before `Store 10`',
    ),
  limit,
  cursor,
} as const;

export const pageParameters = { limit, cursor } as const;

interface ListParameters {
  status: StoreFilter['status'];
  region?: string;
  country?: string;
  format?: NonNullable<StoreFilter['format']>;
  code?: string;
  label?: string[];
  q?: string;
  updatedSince?: string;
  sort: string;
  limit: number;
  cursor?: string;
}

export interface PageParameters {
  limit: number;
  cursor?: string;
}

const listSchema = Joi.object<ListParameters>(listParameters);
const pageSchema = Joi.object<PageParameters>(pageParameters);

/** @throws {MalformedInputError} `invalid_parameter` */
export function parseListParameters(req: Request): ListRequest {
  const {
    label: labels,
    q,
    sort,
    limit: pageSize,
    cursor: place,
    ...filter
  } = parseQuery(listSchema, readQuery(req));
  const { updatedSince, ...conditions } = filter;
  return {
    filter: {
      ...conditions,
      // the order of statuses means nothing: the same question is put in the same words
      status: conditions.status.toSorted(),
      ...(labels && { labels: toLabels(labels) }),
      ...(q !== undefined && { text: q }),
      ...(updatedSince !== undefined && { updatedSince: new Date(updatedSince).toISOString() }),
    },
    sort: toSort(sort),
    limit: pageSize,
    ...(place !== undefined && { cursor: place }),
  };
}

/** @throws {MalformedInputError} `invalid_parameter` */
export function parsePageParameters(req: Request): PageParameters {
  return parseQuery(pageSchema, readQuery(req));
}

function toLabelKey(text: string): string {
  return text.slice(0, text.indexOf(':'));
}

function toLabels(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    labels.map((text) => [toLabelKey(text), normaliseText(text.slice(text.indexOf(':') + 1))]),
  );
}

function toSort(sort: string): StoreSort {
  const isDescending = sort.startsWith('-');
  return { key: sort.slice(isDescending ? 1 : 0) as StoreSortKey, isDescending };
}

/** A date that exists, in a year of four digits also when moved to UTC. */
function isTimestamp(text: string): boolean {
  const [, date] = timestampPattern.exec(text) ?? [];
  if (date === undefined || Number.isNaN(Date.parse(text))) return false;
  // Date.parse takes 30 February for 2 March
  return new Date(date).toISOString().startsWith(date) && /^\d{4}-/.test(new Date(text).toISOString());
}
