import type { Request } from 'express';
import Joi from 'joi';
import { MalformedInputError } from '../../shared/errors/app-error.js';
import { country, slug } from '../../shared/validation/formats.js';
import { plainText, withRule } from '../../shared/validation/joi.js';
import { parseQuery } from '../../shared/validation/validate.js';
import { storeCode, storeFormats, storeStatuses } from '../models/store.js';
import { type StoreFilter, type StoreSort, type StoreSortKey, storeSortKeys } from '../models/store-query.js';
import type { ListRequest } from '../services/store-queries.js';

const labelPattern = /^([a-z0-9][a-z0-9._/-]{0,62}):(.*)$/su;

const limit = Joi.number().integer().min(1).max(200).default(50).description('Most items in the page');
const cursor = Joi.string()
  .max(1024)
  .description('`next` of the page before; filter and sort order must be the same');

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
    .items(Joi.string().pattern(labelPattern, 'label'))
    .max(32)
    .description('A label the store must carry, as `key:value`; may be repeated, and all must match'),
  q: plainText({ max: 100 }).description('Contained in name or code, in any letter case'),
  updatedSince: withRule(
    Joi.string(),
    'timestamp',
    'must be a time as RFC 3339 writes it, such as 2026-01-31T12:00:00Z (a "+" must be sent as %2B)',
    isTimestamp,
  ).description('Changed at this time or later (RFC 3339)'),
  sort: Joi.string()
    .valid(...storeSortKeys.flatMap((key) => [key, `-${key}`]))
    .default('code')
    .description('Sort key; `-` for descending. Names are sorted without regard to letter case'),
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
    label,
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
      ...(label && { labels: toLabels(label) }),
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

/** @throws {MalformedInputError} `invalid_parameter` if there is any parameter */
export function assertNoParameters(req: Request): void {
  parseQuery(Joi.object({}), readQuery(req));
}

/** The query as text, each parameter once but `label`; numbers and lists are read as such where they are. */
function readQuery(req: Request): Record<string, unknown> {
  const query = req.originalUrl.split('?').slice(1).join('?');
  const parameters = new URLSearchParams(query);
  const values = new Map<string, unknown>();
  for (const name of new Set(parameters.keys())) {
    const given = parameters.getAll(name);
    if (given.length > 1 && name !== 'label') throw repeated(name);
    values.set(name, readValue(name, given));
  }
  return Object.fromEntries(values);
}

function readValue(name: string, given: string[]): unknown {
  const [text = ''] = given;
  if (name === 'label') return given;
  if (name === 'status') return text.split(',');
  if (name === 'limit' && /^\d{1,9}$/.test(text)) return Number(text);
  return text;
}

function repeated(name: string): MalformedInputError {
  const detail = `${name} must be given once`;
  return new MalformedInputError('invalid_parameter', detail, {
    details: [{ parameter: name, code: 'repeated', detail }],
  });
}

function toLabels(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    labels.map((label) => {
      const [, key = '', value = ''] = labelPattern.exec(label) ?? [];
      return [key, value];
    }),
  );
}

function toSort(sort: string): StoreSort {
  const isDescending = sort.startsWith('-');
  return { key: sort.slice(isDescending ? 1 : 0) as StoreSortKey, isDescending };
}

/** RFC 3339, section 5.6, with a date that exists; years that Postgres knows as well. */
function isTimestamp(text: string): boolean {
  const pattern = /^[1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;
  return pattern.test(text) && !Number.isNaN(Date.parse(text));
}
