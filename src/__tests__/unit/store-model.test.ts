import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson } from '../../shared/encoding/canonical-json.js';
import { ValidationError } from '../../shared/errors/app-error.js';
import {
  countCharacters,
  normaliseText,
  plainTextProblem,
  richTextProblem,
} from '../../shared/validation/text.js';
import { parseBody } from '../../shared/validation/validate.js';
import {
  type AuditEntry,
  type AuditFacts,
  chainAuditEntry,
  firstBrokenLink,
} from '../../store-service/models/audit-entry.js';
import { conditionsOf } from '../../store-service/models/condition.js';
import { newStoreSchema, type Store } from '../../store-service/models/store.js';
import { diffStores } from '../../store-service/models/store-diff.js';
import { newStoreBody } from '../helpers/store-samples.js';

function makeChain(length: number): AuditEntry[] {
  const chain: AuditEntry[] = [];
  for (let n = 1; n <= length; n += 1) {
    const facts: AuditFacts = {
      storeId: '01900000-0000-7000-8000-000000000000',
      at: `2026-01-01T00:00:0${n}.000Z`,
      actor: 'key:ops',
      action: n === 1 ? 'store.created' : 'store.replaced',
      ...(n > 1 && { fromVersion: n - 1 }),
      toVersion: n,
      changes: [{ path: '/name', from: `${n}`, to: `${n + 1}` }],
      requestId: `request-${n}`,
    };
    chain.push(chainAuditEntry(facts, chain.at(-1)));
  }
  return chain;
}

describe('an audit chain', () => {
  it('is whole as it was made, also when it is empty', () => {
    expect(firstBrokenLink([])).toBeUndefined();
    expect(firstBrokenLink(makeChain(5))).toBeUndefined();
  });

  it.each<[string, (chain: AuditEntry[]) => AuditEntry[], number]>([
    ['an actor edited', (chain) => chain.map((e) => (e.sequence === 3 ? { ...e, actor: 'key:x' } : e)), 3],
    [
      'a time edited',
      (chain) => chain.map((e) => (e.sequence === 1 ? { ...e, at: '2020-01-01T00:00:00.000Z' } : e)),
      1,
    ],
    ['a change edited', (chain) => chain.map((e) => (e.sequence === 2 ? { ...e, changes: [] } : e)), 2],
    [
      'the hash edited along',
      (chain) => [
        ...chain.slice(0, 1),
        ...makeChain(5)
          .slice(1)
          .map((e) => chainAuditEntry(e, undefined)),
      ],
      2,
    ],
    ['one removed in the middle', (chain) => chain.filter(({ sequence }) => sequence !== 3), 3],
    ['the first removed', (chain) => chain.slice(1), 1],
    ['two exchanged', ([a, b, ...rest]) => [b, a, ...rest].filter((entry) => entry !== undefined), 1],
    ['one repeated', (chain) => [...chain.slice(0, 2), ...chain.slice(1)], 3],
  ])('shows where it is broken: %s', (_name, tamper, place) => {
    expect(firstBrokenLink(tamper(makeChain(5)))).toBe(place);
  });
});

describe('canonical JSON', () => {
  it('is the same for equal values, whatever the order of their members, and gives the value back', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(reversed)).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
    expect(canonicalJson({ b: [{ d: 1, c: null }], a: 'x' })).toBe('{"a":"x","b":[{"c":null,"d":1}]}');
  });
});

const store: Store = {
  ...(newStoreBody() as unknown as Store),
  id: '01900000-0000-7000-8000-000000000000',
  status: 'PROVISIONING',
  version: 1,
  createdAt: '2026-01-01T00:00:00.000Z',
  createdBy: 'key:ops',
  updatedAt: '2026-01-02T00:00:00.000Z',
  updatedBy: 'key:ops',
};

describe('the difference of two states', () => {
  it('is nothing but what differs, and no bookkeeping', () => {
    const later = { ...store, version: 2, updatedAt: 'x', updatedBy: 'y' };
    expect(diffStores(store, later)).toEqual([]);
    expect(diffStores(store, { ...later, name: 'x' })).toEqual([
      { path: '/name', from: store.name, to: 'x' },
    ]);
  });

  it('escapes member names, and hides the contact', () => {
    const contact = { name: 'E', email: 'e@example.org', phone: '+4930901820' };
    expect(diffStores(store, { ...store, contact, labels: { 'a/b': '1', 'c~d': '2' } })).toEqual([
      { path: '/contact', redacted: true },
      { path: '/labels', to: { 'a/b': '1', 'c~d': '2' } },
    ]);
    const labelled = { ...store, labels: { 'a/b': '1', 'c~d': '2' } };
    expect(diffStores(labelled, { ...store, labels: { 'c~d': '3' } })).toEqual([
      { path: '/labels/a~1b', from: '1' },
      { path: '/labels/c~0d', from: '2', to: '3' },
    ]);
  });
});

describe('the conditions of a store', () => {
  it('follow its status, with the time of its last transition', () => {
    const at = { activatedAt: '2026-01-03T00:00:00.000Z', decommissionedAt: '2026-01-04T00:00:00.000Z' };
    const times = (['PROVISIONING', 'ACTIVE', 'DECOMMISSIONED'] as const).map(
      (status) => conditionsOf({ ...store, ...at, status })[0]?.lastTransitionTime,
    );
    expect(times).toEqual([store.createdAt, at.activatedAt, at.decommissionedAt]);
    expect(conditionsOf({ ...store, status: 'ACTIVE' })[0]?.lastTransitionTime).toBe(store.updatedAt);
    expect(conditionsOf({ ...store, status: 'DECOMMISSIONED' })[0]?.lastTransitionTime).toBe(store.updatedAt);
  });
});

describe('text', () => {
  it('normalises to a fixed point, and its problems are stable under it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const normal = normaliseText(text);
        expect(normaliseText(normal)).toBe(normal);
      }),
    );
  });

  it('with an invisible or control character anywhere is a problem, in rich text but for line ends and tabs', () => {
    const bad = fc.constantFrom(
      ...Array.from('\u0000\u001b\u007f\u0085\u200b\u200d\u200e\u202a\u202e\u2066\ufeff\u061c\u180e'),
    );
    fc.assert(
      fc.property(fc.string(), bad, fc.string(), (before, character, after) => {
        const text = `a${before}${character}${after}b`;
        expect(plainTextProblem(text)).not.toBeUndefined();
        expect(richTextProblem(text)).not.toBeUndefined();
      }),
    );
    expect([richTextProblem('a\n\r\tb'), plainTextProblem('a\tb')]).toEqual([undefined, 'control_character']);
  });

  it('is counted in code points', () => {
    expect(countCharacters('a🏪é')).toBe(3);
  });
});

describe('a body', () => {
  it('that is not there at all breaks every rule at the root', () => {
    expect(() => parseBody(newStoreSchema, 'text')).toThrow(ValidationError);
    const broken = () => parseBody(newStoreSchema, newStoreBody({ address: { postalCode: '10117' } }));
    expect(broken).toThrow('address.line1');
  });
});
