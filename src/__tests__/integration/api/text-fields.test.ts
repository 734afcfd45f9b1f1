import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { newStoreBody } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

const address = { line1: 'Friedrichstr. 1', city: 'Berlin', postalCode: '10117', country: 'DE' };
const contact = { name: 'Erika', email: 'erika@example.org', phone: '+49 30 901820' };

/** Every free text: where it stands, a body that has it there, and how long it may be. */
const fields: readonly { pointer: string; bodyWith: (text: unknown) => object; max: number }[] = [
  { pointer: '#/name', bodyWith: (name) => newStoreBody({ name }), max: 120 },
  {
    pointer: '#/address/line1',
    bodyWith: (line1) => newStoreBody({ address: { ...address, line1 } }),
    max: 120,
  },
  {
    pointer: '#/address/line2',
    bodyWith: (line2) => newStoreBody({ address: { ...address, line2 } }),
    max: 120,
  },
  { pointer: '#/address/city', bodyWith: (city) => newStoreBody({ address: { ...address, city } }), max: 80 },
  {
    pointer: '#/address/state',
    bodyWith: (state) => newStoreBody({ address: { ...address, state } }),
    max: 80,
  },
  {
    pointer: '#/contact/name',
    bodyWith: (name) => newStoreBody({ contact: { ...contact, name } }),
    max: 120,
  },
  { pointer: '#/labels/wave', bodyWith: (wave) => newStoreBody({ labels: { wave } }), max: 128 },
];

function valueAt(body: unknown, pointer: string): unknown {
  return pointer
    .split('/')
    .slice(1)
    .reduce((value, name) => (value as Record<string, unknown>)[name], body);
}

async function expectRefused(body: object, pointer: string, code: string): Promise<void> {
  const response = await service.post('/api/stores', body).expect(422);
  expect(response.body.errors).toEqual([expect.objectContaining({ pointer, code })]);
}

describe.each(fields)('$pointer', ({ pointer, bodyWith, max }) => {
  it.each([
    "Tom & Jerry's",
    "O'Brien",
    '5 < 6',
    '6 > 5',
    'a <3 b',
    'Ünïcødé 北京',
    '"quoted" \\ back/slash',
    '&lt;b&gt; &amp;',
    "Robert'); DROP TABLE stores;--",
    '${jndi:ldap://x} {{7*7}} %s %n',
    '=cmd()',
    '🏪 ☕️',
    'مرحبا',
    'नमस्ते',
    'می\u200cخواهم',
    'শ\u09cd\u200cর র\u200d\u09cdযাব',
    'ශ්\u200dරී ලංකා',
    'Café 👩\u200d💻 🏳\ufe0f\u200d🌈',
    'null',
  ])('stores and shows exactly: %s', async (text) => {
    const created = await service.post('/api/stores', bodyWith(text)).expect(201);
    expect(valueAt(created.body, pointer)).toBe(text);
    const read = await service.get(`/api/stores/${String(created.body.id)}`).expect(200);
    expect(valueAt(read.body, pointer)).toBe(text);
  });

  it('is trimmed and normalised to NFC', async () => {
    const created = await service.post('/api/stores', bodyWith(' \u00a0Cafe\u0301 \u3000')).expect(201);
    expect(valueAt(created.body, pointer)).toBe('Café');
  });

  it.each([
    ['NUL', 'a\u0000b', 'control_character'],
    ['a bell', 'a\u0007b', 'control_character'],
    ['a line end', 'a\nb', 'control_character'],
    ['a tab', 'a\tb', 'control_character'],
    ['DEL', 'a\u007fb', 'control_character'],
    ['a C1 control', 'a\u0085b', 'control_character'],
    ['a line separator', 'a\u2028b', 'control_character'],
    ['right-to-left override', 'a\u202eb', 'invisible_character'],
    ['a right-to-left mark', 'a\u200fb', 'invisible_character'],
    ['an isolate', 'a\u2066b\u2069', 'invisible_character'],
    ['a zero-width space', 'a\u200bb', 'invisible_character'],
    ['a zero-width joiner', 'a\u200db', 'invisible_character'],
    ['a zero-width joiner between emoji that do not join', '🏪\u200d🏪', 'invisible_character'],
    ['a variation selector of a letter', 'a\ufe0fb', 'invisible_character'],
    ['a word joiner', 'a\u2060b', 'invisible_character'],
    ['a byte order mark', 'a\ufeffb', 'invisible_character'],
    ['a byte order mark in front', '\ufeffab', 'invisible_character'],
    ['a zero-width space at the end', 'ab\u200b', 'invisible_character'],
    ['a soft hyphen', 'a\u00adb', 'invisible_character'],
    ['a filler that looks empty', '\u3164', 'invisible_character'],
    ['a tag character', 'a\u{e0041}b', 'invisible_character'],
    ['a noncharacter', 'a\ufffeb', 'invisible_character'],
    ['half a surrogate pair', 'a\ud83db', 'lone_surrogate'],
    ['the other half', 'a\udc00b', 'lone_surrogate'],
    ['a tag', '<script>alert(1)</script>', 'markup'],
    ['an end tag', 'a</b>', 'markup'],
    ['a comment', 'a<!-- b', 'markup'],
    ['a processing instruction', '<?php', 'markup'],
    ['a tag cut short', 'x<img src=x onerror=alert(1)', 'markup'],
  ])('refuses %s', async (_name, text, code) => {
    await expectRefused(bodyWith(text), pointer, code);
  });

  it(`counts characters, not UTF-16 units: ${max} emoji fit, one more does not`, async () => {
    const created = await service.post('/api/stores', bodyWith('🏪'.repeat(max))).expect(201);
    expect(valueAt(created.body, pointer)).toBe('🏪'.repeat(max));
    await expectRefused(bodyWith('🏪'.repeat(max + 1)), pointer, 'too_long');
    await expectRefused(bodyWith('x'.repeat(max + 1)), pointer, 'too_long');
  });

  it.each([5, true, null, ['a'], { a: 1 }])('refuses what is no text: %j', async (value) => {
    await expectRefused(bodyWith(value), pointer, 'type');
  });

  it('any other text survives the way there and back', async () => {
    const legitimate = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 15 })
      .map((text) => text.normalize('NFC').trim())
      .filter(
        (text) =>
          text !== '' && !/[\p{C}\p{Zl}\p{Zp}]|<[a-z/!?]|\p{Default_Ignorable_Code_Point}/iu.test(text),
      );
    await fc.assert(
      fc.asyncProperty(legitimate, async (text) => {
        const created = await service.post('/api/stores', bodyWith(text)).expect(201);
        expect(valueAt(created.body, pointer)).toBe(text);
      }),
      { numRuns: 10 },
    );
  });
});

describe('empty texts', () => {
  const withEmpty = fields.filter(({ pointer }) => !pointer.startsWith('#/labels'));
  it.each(withEmpty)('are refused in $pointer', async ({ pointer, bodyWith }) => {
    await expectRefused(bodyWith(''), pointer, 'empty');
    await expectRefused(bodyWith('  \u00a0 '), pointer, 'empty');
  });

  it('are fine as the value of a label', async () => {
    const created = await service.post('/api/stores', newStoreBody({ labels: { closed: '' } })).expect(201);
    expect(created.body.labels).toEqual({ closed: '' });
  });
});
