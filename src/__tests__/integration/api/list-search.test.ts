import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { withClient } from '../../../dev/postgres/admin-client.js';
import { storeSortKeys } from '../../../store-service/models/store-query.js';
import { listStores } from '../../../store-service/repositories/store-list.js';
import { plansOf } from '../../helpers/plans-of.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

const insertion = `
  INSERT INTO stores (id, code, name, format, status, region, address, timezone, currency, version,
    created_at, created_by, updated_at, updated_by)
  SELECT gen_random_uuid(), prefix || n, name, 'STANDARD', 'PROVISIONING', $3,
    '{"line1":"x","city":"x","postalCode":"10117","country":"DE"}', 'UTC', 'EUR', 1, now(), 'key:seed', now(), 'key:seed'
  FROM unnest($1::text[]) WITH ORDINALITY AS names (name, n), (SELECT $2 AS prefix)`;

let regions = 0;

/** Stores with these names, however odd, in a region of their own. */
async function withNames(names: readonly string[]): Promise<string> {
  const region = `region-${(regions += 1)}`;
  await withClient(service.database.ownerUrl, (client) =>
    client.query(insertion, [names, `X${regions}-`, region]),
  );
  return region;
}

async function namesOf(region: string, parameters: Readonly<Record<string, string>>): Promise<string[]> {
  const query = new URLSearchParams({ region, limit: '200', ...parameters });
  const { body } = await service.get(`/api/stores?${query.toString()}`, 'viewer').expect(200);
  return (body.items as { name: string }[]).map(({ name }) => name);
}

/** A question that finds each of these names, and the other way round. */
const same: readonly (readonly string[])[] = [
  ['Αθήνας', 'ΑΘΗΝΑΣ', 'αθηνας', 'αθηνασ'],
  ['Café', 'CAFE', 'cafe', 'Cafe\u0301', 'ｃａｆé'],
  ['Straße 9', 'STRASSE 9', 'strasse 9', 'STRAẞE 9'],
  ['İstanbul', 'istanbul', 'ISTANBUL', 'ıstanbul'],
  ['Łódź', 'lodz', 'LODZ'],
  ['Ørestad', 'orestad', 'ØRESTAD'],
  ['Đakovo', 'dakovo'],
  ['Œuvre', 'oeuvre', 'ŒUVRE'],
  ['Ærø', 'aero', 'AERO'],
  ['Škoda Müller', 'skoda muller'],
  ['Berlin\u00a0Mitte', 'Berlin Mitte', 'berlin  mitte', 'Berlin\u2003\u3000Mitte'],
  ['O’Brien', "O'Brien", 'o‘brien'],
  ['Saint‑Denis', 'Saint-Denis', 'saint–denis'],
  ['Ёлка', 'елка', 'ЁЛКА'],
  ['مَتجَر', 'متجر'],
  ['שָׁלוֹם', 'שלום'],
  ['Oﬃce', 'office', 'OFFICE'],
  ['각', '\u1100\u1161\u11a8'],
];

describe('q', () => {
  it.each(same)('finds %s, however it is written', async (...spellings) => {
    const region = await withNames(spellings.map((spelling) => `<<${spelling}>>`));
    for (const spelling of spellings) {
      expect([spelling, await namesOf(region, { q: spelling })]).toEqual([
        spelling,
        spellings.map((each) => `<<${each}>>`),
      ]);
    }
  });

  it.each([
    ['か', 'が'],
    ['की', 'कि'],
    ['Berlin Mitte', 'BerlinMitte'],
    ['％', '100'],
    ['_', 'a-b'],
    ['＼', 'a/b'],
    ['mitte x', 'Mitte'],
  ])('%s is not found in %s', async (q, name) => {
    expect(await namesOf(await withNames([name]), { q })).toEqual([]);
  });

  it.each(['100％', '100%', '％', 'a＿b', '\\', '＼'])('takes %s for itself', async (sign) => {
    const region = await withNames([`x ${sign} y`, 'nothing of the kind']);
    expect(await namesOf(region, { q: sign })).toEqual([`x ${sign} y`]);
  });

  it('passes over what cannot be seen', async () => {
    const names = ['می\u200cخواهم', 'Shop\ufe0f \u200dx', 'Ba\u00adden'];
    const region = await withNames(names);
    const found = await Promise.all(['میخواهم', 'shop x', 'baden'].map((q) => namesOf(region, { q })));
    expect(found).toEqual(names.map((name) => [name]));
  });

  it('finds codes, too, and nothing that only name and code together make', async () => {
    const region = await withNames(['Mitte', 'Nord']);
    expect(await namesOf(region, { q: `x${regions}-1` })).toEqual(['Mitte']);
    expect(await namesOf(region, { q: `X${regions}–2` })).toEqual(['Nord']);
    expect(await namesOf(region, { q: `mitte x${regions}` })).toEqual([]);
  });

  it('follows a name that changes, and only that', async () => {
    const region = await withNames(['Vorher']);
    await withClient(service.database.appUrl, async (client) => {
      const change = (assignment: string) =>
        client.query(`UPDATE stores SET ${assignment}, version = version + 1 WHERE region = $1`, [region]);
      await change("name = 'Süd'");
      await change("search_text = 'vorher'");
    });
    expect(await namesOf(region, { q: 'vorher' })).toEqual([]);
    expect(await namesOf(region, { q: 'sud' })).toEqual(['Süd']);
  });

  it('finds any part of any name, in whatever case, form and white space it is asked for', async () => {
    const letters = 'aßÄéσςΣİıøŁœжЁ北が각کﬃ1-’';
    const word = fc.string({ unit: fc.constantFrom(...Array.from(letters)), minLength: 1, maxLength: 8 });
    const spellings: readonly ((text: string) => string)[] = [
      (text) => text,
      (text) => text.toUpperCase(),
      (text) => text.toLowerCase(),
      (text) => text.normalize('NFD'),
      (text) => text.normalize('NFKC'),
      (text) => text.replaceAll(' ', '\u00a0 '),
    ];
    const asked = fc.tuple(fc.array(word, { minLength: 1, maxLength: 4 }), fc.nat(), fc.nat(), fc.nat());
    await fc.assert(
      fc.asyncProperty(fc.array(asked, { minLength: 1, maxLength: 8 }), async (cases) => {
        const rows = cases.map(([words, from, length, spelling]) => {
          const start = from % words.length;
          const part = words.slice(start, start + 1 + (length % words.length)).join(' ');
          return { name: words.join(' '), q: spellings[spelling % spellings.length]?.(part) ?? part };
        });
        const found = await withClient(service.database.appUrl, (client) =>
          client.query<{ isFound: boolean }>(
            'SELECT search_form(name) LIKE search_pattern(q) AS "isFound" FROM unnest($1::text[], $2::text[]) AS t (name, q)',
            [rows.map(({ name }) => name), rows.map(({ q }) => q)],
          ),
        );
        expect(found.rows.map(({ isFound }, at) => ({ ...rows[at], isFound }))).toEqual(
          rows.map((row) => ({ ...row, isFound: true })),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('takes each letter of Unicode that Postgres knows for its upper case, lower case and decomposition', async () => {
    const codePoints = Array.from({ length: 0x11_0000 }, (_, code) => code);
    const letters = codePoints
      .filter((code) => code < 0xd800 || code > 0xdfff)
      .map((code) => String.fromCodePoint(code))
      // an iota below is a diacritic in lower case, and a letter in upper case
      .filter((letter) => /[\p{L}\p{N}]/u.test(letter) && !letter.normalize('NFD').includes('\u0345'));
    expect(letters.length).toBeGreaterThan(100_000);
    for (const spell of [
      (letter: string) => letter.toUpperCase(),
      (letter: string) => letter.toLowerCase(),
      (letter: string) => letter.normalize('NFD'),
    ]) {
      const { rows } = await withClient(service.database.appUrl, (client) =>
        client.query(
          `SELECT a, b FROM unnest($1::text[], $2::text[]) AS t (a, b)
           WHERE a <> b AND search_form(a) <> search_form(b) AND unicode_assigned(a) AND unicode_assigned(b)`,
          [letters, letters.map(spell)],
        ),
      );
      expect(rows).toEqual([]);
    }
  });
});

describe('the order of names', () => {
  it.each([
    ['Zebra', 'Äpfel', 'Apfel', 'Azur', 'Ähre', 'Agnes'],
    ['Zoo', 'Élan', 'Eland', 'éclair', 'Fin', 'Ecke'],
    ['Store 10', 'store 9', 'Store 100', 'STORE 2'],
    ['Zürich', 'Łódź', 'Lyon', 'Ludwig', 'Ørestad', 'Oslo', 'Porto'],
    ['яблоко', 'Ёлка', 'Жук', 'единый'],
  ])('is that of a dictionary: %s, …', async (...names) => {
    const region = await withNames(names);
    const ordered = [...names].sort(
      new Intl.Collator('en', { numeric: true, sensitivity: 'accent' }).compare,
    );
    expect(await namesOf(region, { sort: 'name' })).toEqual(ordered);
    expect(await namesOf(region, { sort: '-name' })).toEqual(ordered.toReversed());
  });

  it('visits each store once by pages, though letter case makes names equal, and accents nearly', async () => {
    const names = Array.from(
      { length: 60 },
      (_, n) => ['cafe', 'Café', 'CAFE', 'café', 'Cafe 10', 'cafe 9'][n % 6] ?? '',
    );
    const region = await withNames(names);
    const inOneGo = await namesOf(region, { sort: 'name' });
    expect(inOneGo.slice(0, 20).map((name) => name.toLowerCase())).toEqual(
      Array.from({ length: 20 }, () => 'cafe'),
    );
    for (const sort of ['name', '-name']) {
      const visited: { id: string; name: string }[] = [];
      for (let cursor: string | undefined = ''; cursor !== undefined;) {
        const query = new URLSearchParams({ region, sort, limit: '7', ...(cursor !== '' && { cursor }) });
        const { body } = await service.get(`/api/stores?${query.toString()}`).expect(200);
        visited.push(...(body.items as typeof visited));
        cursor = body.next as string | undefined;
      }
      expect(visited.map(({ name }) => name)).toEqual(sort === 'name' ? inOneGo : inOneGo.toReversed());
      expect(new Set(visited.map(({ id }) => id)).size).toBe(names.length);
    }
  });
});

describe('the plan', () => {
  it('of a search reads the index of search texts', async () => {
    await withNames(Array.from({ length: 5_000 }, (_, n) => `Filiale Süd ${n}`));
    await withClient(service.database.ownerUrl, (client) => client.query('VACUUM ANALYZE stores'));
    const plans = await plansOf(service.database.appUrl, async (db) => {
      for (const key of storeSortKeys) {
        await listStores(db, {
          filter: { status: ['PROVISIONING', 'ACTIVE'], text: 'SÜD 4711' },
          sort: { key, isDescending: false },
          limit: 50,
        });
      }
    });
    expect(plans).toHaveLength(4);
    for (const plan of plans) expect(plan).toMatch(/Bitmap Index Scan.{0,200}"stores_by_search_text"/);
  });
});
