import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { withClient } from '../../../dev/postgres/admin-client.js';
import { type Body, newStoreBody, uniqueCode } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

function addressIn(country: string, postalCode?: string): Body {
  const address = { line1: 'Main Street 1', city: 'Town', country };
  return { address: { ...address, ...(postalCode !== undefined && { postalCode }) } };
}

function contactWith(fields: Body): Body {
  return { contact: { name: 'Erika', email: 'erika@example.org', phone: '+4930901820', ...fields } };
}

const thirtyThreeLabels = Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`label-${n}`, 'x']));
const { 'label-32': _one, ...thirtyTwoLabels } = thirtyThreeLabels;

describe('good values are stored as they are', () => {
  const longCode = uniqueCode() + 'X'.repeat(32 - uniqueCode().length);
  it.each<[string, Body]>([
    ['a code of 2 characters', { code: '0Z' }],
    ['a code of 32 characters', { code: longCode }],
    ['a code with hyphens', { code: 'A--B-' }],
    ['each format: FLAGSHIP', { format: 'FLAGSHIP' }],
    ['each format: STANDARD', { format: 'STANDARD' }],
    ['each format: EXPRESS', { format: 'EXPRESS' }],
    ['each format: POPUP', { format: 'POPUP' }],
    ['each format: WAREHOUSE', { format: 'WAREHOUSE' }],
    ['a region of 2 characters', { region: 'e1' }],
    ['a region of 32 characters', { region: 'e'.repeat(32) }],
    ['a postal code of Germany', addressIn('DE', '10117')],
    ['a postal code of the United Kingdom', addressIn('GB', 'SW1A 1AA')],
    ['a postal code of the Netherlands', addressIn('NL', '1012 AB')],
    ['a postal code of the United States', addressIn('US', '94107-1234')],
    ['a postal code of Canada', addressIn('CA', 'K1A 0B1')],
    ['a postal code of Japan', addressIn('JP', '100-0001')],
    ['a code where there are none', addressIn('AE', '00000')],
    ['a postal code of Kosovo', addressIn('XK', '10000')],
    ['no postal code in Hong Kong', addressIn('HK')],
    ['no postal code in Ireland', addressIn('IE')],
    ['a currency of this decade', { currency: 'XCG' }],
    ['a currency', { currency: 'JPY' }],
    ['UTC', { timezone: 'UTC' }],
    ['a time zone of three parts', { timezone: 'America/Argentina/Buenos_Aires' }],
    ['a time zone with an old name', { timezone: 'Asia/Calcutta' }],
    ['a fixed offset of Etc', { timezone: 'Etc/GMT+5' }],
    ['a locale', { locale: 'de-CH' }],
    ['a locale with a script', { locale: 'zh-Hant-TW' }],
    ['a mobile number', contactWith({ phone: '+4915112345678' })],
    ['a number with an extension', contactWith({ phone: '+14155550100;ext=12' })],
    ['an address with a tag', contactWith({ email: 'erika+store@sub.example.org' })],
    ['an address in Unicode', contactWith({ email: 'jörg@example.org' })],
    ['29 February of a leap year', { openingDate: '2028-02-29' }],
    ['a date long ago', { openingDate: '1899-12-31' }],
    ['32 labels', { labels: thirtyTwoLabels }],
    ['a label key of 63 characters', { labels: { ['k'.repeat(63)]: 'x' } }],
    ['a label key with every character there is', { labels: { '0a.b_c/d-e': 'x' } }],
    ['no tills at all', { infrastructure: { tills: 0, guestWifi: false } }],
    ['200 tills', { infrastructure: { tills: 200, printers: 200, scanners: 200, guestWifi: true } }],
  ])('%s', async (_name, fields) => {
    const created = await service.post('/api/stores', newStoreBody(fields)).expect(201);
    expect(created.body).toMatchObject(fields);
    const read = await service.get(`/api/stores/${String(created.body.id)}`).expect(200);
    expect(read.body).toEqual(created.body);
  });
});

describe('values in another notation are stored in the canonical one, and sent back change nothing', () => {
  it.each<[string, Body, Body]>([
    ['a postal code of Azerbaijan', addressIn('AZ', 'AZ 1000'), addressIn('AZ', '1000')],
    ['a postal code of Japan', addressIn('JP', '〒１００－０００１'), addressIn('JP', '100-0001')],
    ['a postal code of Ireland', addressIn('IE', 'd02af30'), addressIn('IE', 'D02 AF30')],
    [
      'a phone number with common separators',
      contactWith({ phone: '+49\u00a030\u2011901820' }),
      contactWith({ phone: '+4930901820' }),
    ],
    [
      'a phone number with an extension',
      contactWith({ phone: '+1 (415) 555-0100 ext. 12' }),
      contactWith({ phone: '+14155550100;ext=12' }),
    ],
  ])('%s', async (_name, given, stored) => {
    const created = await service.post('/api/stores', newStoreBody(given)).expect(201);
    const path = `/api/stores/${String(created.body.id)}`;
    const read = await service.get(path).expect(200);
    expect(read.body).toMatchObject({ ...stored, version: 1 });
    const replaced = await service.put(path, read.body).expect(200);
    expect(replaced.body).toEqual(read.body);
  });
});

describe('values of older rules', () => {
  it('stay readable, and are named when they are sent back', async () => {
    const created = await service.post('/api/stores', newStoreBody()).expect(201);
    const path = `/api/stores/${String(created.body.id)}`;
    const old = { timezone: 'US/Pacific-New', currency: 'HRK', locale: 'xx-YY' };
    await withClient(service.database.ownerUrl, (client) =>
      client.query(
        'UPDATE stores SET timezone = $2, currency = $3, locale = $4, version = version + 1 WHERE id = $1',
        [created.body.id, ...Object.values(old)],
      ),
    );
    await service.database.waitForReplica();
    const read = await service.get(path).expect(200);
    expect(read.body).toMatchObject(old);
    const refused = await service.put(path, read.body).expect(422);
    const errors = refused.body.errors as { pointer: string }[];
    expect(errors.map(({ pointer }) => pointer).sort()).toEqual(['#/currency', '#/locale', '#/timezone']);
  });
});

describe('what is refused is told in words that help', () => {
  it.each<[string, Body, RegExp]>([
    ['the form that is wanted', addressIn('US', 'SW1A 1AA'), /US, where one is such as 95014 or 22162-1010$/],
    ['that there is one', addressIn('DE'), /is required in DE, where one is such as 26133/],
    ['the prefix that is not dialled', contactWith({ phone: '+49 (0)30 901820' }), /not \+49 \(0\)30/],
    ['the missing country code', contactWith({ phone: '030 901820' }), /begins with \+/],
    ['a country code that is none', contactWith({ phone: '+999 1234567' }), /country code that is assigned/],
    ['the length', contactWith({ phone: '+49 30' }), /too short/],
  ])('%s', async (_name, fields, words) => {
    const response = await service.post('/api/stores', newStoreBody(fields)).expect(422);
    expect(response.body.errors).toEqual([expect.objectContaining({ detail: expect.stringMatching(words) })]);
  });
});

describe('bad values are 422, with a pointer and a code', () => {
  it.each<[string, string, Body]>([
    ['#/code', 'required', { code: undefined }],
    ['#/code', 'empty', { code: '' }],
    ['#/code', 'format', { code: 'A' }],
    ['#/code', 'format', { code: 'X'.repeat(33) }],
    ['#/code', 'format', { code: 'berlin-1' }],
    ['#/code', 'format', { code: '-A1' }],
    ['#/code', 'format', { code: 'A 1' }],
    ['#/code', 'format', { code: 'A1\n' }],
    ['#/code', 'format', { code: ' A1' }],
    ['#/code', 'format', { code: 'Ä1' }],
    ['#/code', 'type', { code: 17 }],
    ['#/name', 'required', { name: undefined }],
    ['#/format', 'not_allowed', { format: 'KIOSK' }],
    ['#/format', 'not_allowed', { format: 'standard' }],
    ['#/format', 'not_allowed', { format: '' }],
    ['#/format', 'required', { format: undefined }],
    ['#/region', 'slug', { region: 'EU' }],
    ['#/region', 'slug', { region: 'e' }],
    ['#/region', 'too_long', { region: 'e'.repeat(33) }],
    ['#/region', 'slug', { region: '-eu' }],
    ['#/address', 'required', { address: undefined }],
    ['#/address', 'type', { address: 'Main Street 1' }],
    ['#/address', 'type', { address: [] }],
    ['#/address/country', 'country', addressIn('ZZ', '10117')],
    ['#/address/country', 'country', addressIn('de', '10117')],
    ['#/address/country', 'country', addressIn('UK', '10117')],
    ['#/address/country', 'too_long', addressIn('DEU', '10117')],
    ['#/address/postalCode', 'postal_code', addressIn('DE', '1011')],
    ['#/address/postalCode', 'postal_code', addressIn('GB', '10117')],
    ['#/address/postalCode', 'postal_code', addressIn('US', 'SW1A 1AA')],
    ['#/address/postalCode', 'postal_code', addressIn('AE', '?!')],
    ['#/address/postalCode', 'required', addressIn('DE')],
    ['#/address/postalCode', 'required', addressIn('XK')],
    ['#/address/postalCode', 'too_long', addressIn('DE', '1'.repeat(17))],
    ['#/timezone', 'timezone', { timezone: 'Europe/Atlantis' }],
    ['#/timezone', 'timezone', { timezone: 'europe/berlin' }],
    ['#/timezone', 'timezone', { timezone: 'EUROPE/BERLIN' }],
    ['#/timezone', 'timezone', { timezone: '+02:00' }],
    ['#/timezone', 'timezone', { timezone: 'CEST' }],
    ['#/timezone', 'timezone', { timezone: 'IST' }],
    ['#/timezone', 'timezone', { timezone: 'US/Pacific-New' }],
    ['#/currency', 'currency', { currency: 'eur' }],
    ['#/currency', 'currency', { currency: 'XXX' }],
    ['#/currency', 'currency', { currency: 'HRK' }],
    ['#/currency', 'currency', { currency: 'XYZ' }],
    ['#/locale', 'locale', { locale: 'de_DE' }],
    ['#/locale', 'locale', { locale: 'de-de' }],
    ['#/locale', 'locale', { locale: 'german!' }],
    ['#/locale', 'locale', { locale: 'xx-YY' }],
    ['#/contact', 'type', { contact: 'Erika' }],
    ['#/contact', 'type', { contact: null }],
    ['#/contact/email', 'email', contactWith({ email: 'erika' })],
    ['#/contact/email', 'email', contactWith({ email: 'erika@localhost' })],
    ['#/contact/email', 'email', contactWith({ email: 'Erika <erika@example.org>'.replace('<', '(') })],
    ['#/contact/email', 'email', contactWith({ email: 'a@b@example.org' })],
    ['#/contact/phone', 'phone', contactWith({ phone: '030 901820' })],
    ['#/contact/phone', 'phone', contactWith({ phone: '+49' })],
    ['#/contact/phone', 'phone', contactWith({ phone: '+0 30 901820' })],
    ['#/contact/phone', 'phone', contactWith({ phone: '+49 (0)30 901820' })],
    ['#/contact/phone', 'phone', contactWith({ phone: `+${'9'.repeat(16)}` })],
    ['#/contact/phone', 'required', contactWith({ phone: undefined })],
    ['#/contact/fax', 'unknown_field', contactWith({ fax: '+49 30 901820' })],
    ['#/openingDate', 'date', { openingDate: '2026-02-29' }],
    ['#/openingDate', 'date', { openingDate: '2026-04-31' }],
    ['#/openingDate', 'date', { openingDate: '0000-01-01' }],
    ['#/openingDate', 'format', { openingDate: '2026-1-1' }],
    ['#/openingDate', 'format', { openingDate: '2026-12-01T00:00:00Z' }],
    ['#/openingDate', 'type', { openingDate: 20261201 }],
    ['#/labels', 'too_many', { labels: thirtyThreeLabels }],
    ['#/labels/Wave', 'format', { labels: { Wave: '7' } }],
    ['#/labels/-a', 'format', { labels: { '-a': '7' } }],
    ['#/labels/', 'format', { labels: { '': '7' } }],
    [`#/labels/${'k'.repeat(64)}`, 'format', { labels: { ['k'.repeat(64)]: 'x' } }],
    ['#/labels', 'type', { labels: ['a'] }],
    ['#/infrastructure/tills', 'out_of_range', { infrastructure: { tills: -1 } }],
    ['#/infrastructure/tills', 'out_of_range', { infrastructure: { tills: 201 } }],
    ['#/infrastructure/tills', 'integer', { infrastructure: { tills: 1.5 } }],
    ['#/infrastructure/tills', 'type', { infrastructure: { tills: '4' } }],
    ['#/infrastructure/guestWifi', 'type', { infrastructure: { guestWifi: 'yes' } }],
    ['#/infrastructure/ovens', 'unknown_field', { infrastructure: { ovens: 1 } }],
  ])('%s %s', async (pointer, code, fields) => {
    const response = await service.post('/api/stores', newStoreBody(fields)).expect(422);
    expect(response.body.code).toBe('validation_failed');
    const errors = response.body.errors as { pointer: string; code: string }[];
    expect(errors.map((error) => [error.pointer, error.code])).toEqual([[pointer, code]]);
  });
});
