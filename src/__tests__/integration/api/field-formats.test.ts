import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Body, newStoreBody, uniqueCode } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

function addressIn(country: string, postalCode: string): Body {
  return { address: { line1: 'Main Street 1', city: 'Town', postalCode, country } };
}

function contactWith(fields: Body): Body {
  return { contact: { name: 'Erika', email: 'erika@example.org', phone: '+49 30 901820', ...fields } };
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
    ['a code where none is known to have a form', addressIn('AE', '00000')],
    ['a currency', { currency: 'JPY' }],
    ['UTC', { timezone: 'UTC' }],
    ['a time zone of three parts', { timezone: 'America/Argentina/Buenos_Aires' }],
    ['a time zone with an old name', { timezone: 'Asia/Kolkata' }],
    ['a fixed offset of Etc', { timezone: 'Etc/GMT+5' }],
    ['a locale', { locale: 'de-CH' }],
    ['a locale with a script', { locale: 'zh-Hant-TW' }],
    ['a mobile number', contactWith({ phone: '+4915112345678' })],
    ['a number with separators', contactWith({ phone: '+1 (415) 555-0100' })],
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
    ['#/address/postalCode', 'too_long', addressIn('DE', '1'.repeat(17))],
    ['#/timezone', 'timezone', { timezone: 'Europe/Atlantis' }],
    ['#/timezone', 'timezone', { timezone: 'europe/berlin' }],
    ['#/timezone', 'timezone', { timezone: 'EUROPE/BERLIN' }],
    ['#/timezone', 'timezone', { timezone: '+02:00' }],
    ['#/timezone', 'timezone', { timezone: 'CEST' }],
    ['#/currency', 'currency', { currency: 'eur' }],
    ['#/currency', 'currency', { currency: 'XYZ' }],
    ['#/locale', 'locale', { locale: 'de_DE' }],
    ['#/locale', 'locale', { locale: 'de-de' }],
    ['#/locale', 'locale', { locale: 'german!' }],
    ['#/contact', 'type', { contact: 'Erika' }],
    ['#/contact', 'type', { contact: null }],
    ['#/contact/email', 'email', contactWith({ email: 'erika' })],
    ['#/contact/email', 'email', contactWith({ email: 'erika@localhost' })],
    ['#/contact/email', 'email', contactWith({ email: 'Erika <erika@example.org>'.replace('<', '(') })],
    ['#/contact/email', 'email', contactWith({ email: 'a@b@example.org' })],
    ['#/contact/phone', 'phone', contactWith({ phone: '030 901820' })],
    ['#/contact/phone', 'phone', contactWith({ phone: '+49' })],
    ['#/contact/phone', 'phone', contactWith({ phone: '+0 30 901820' })],
    ['#/contact/phone', 'phone', contactWith({ phone: '+49 30 901820 ext. 5' })],
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
