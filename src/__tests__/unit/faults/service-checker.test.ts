import { describe, expect, it } from '@jest/globals';
import type {
  RecordedAnswer,
  RecordedOperation,
  RecordedWrite,
} from '../../faults/service/recorded-write.js';
import {
  type AuditRow,
  checkService,
  describeFindings,
  type Findings,
  type StoreRow,
} from '../../faults/service/service-checker.js';

const store: StoreRow = { id: 's1', code: 'F-1', name: 'F.2', status: 'PROVISIONING', version: 2 };

function entry(version: number, marker: string, changes: Partial<AuditRow> = {}): AuditRow {
  return {
    storeId: 's1',
    sequence: version,
    fromVersion: version === 1 ? null : version - 1,
    toVersion: version,
    action: version === 1 ? 'store.created' : 'store.replaced',
    name: marker,
    requestId: marker,
    ...changes,
  };
}

function write(
  marker: string,
  answer: Partial<RecordedAnswer>,
  changes: Partial<RecordedWrite> = {},
): RecordedWrite {
  return {
    marker,
    kind: 'replace',
    caller: 'operator',
    isKeyed: true,
    code: 'F-1',
    storeId: 's1',
    baseVersion: 1,
    startedAtMs: 0,
    attempts: 1,
    isUncertain: false,
    answer: { status: 200, atMs: 1, ...answer },
    ...changes,
  };
}

const created = write('F.1', { status: 201, version: 1 }, { kind: 'create', baseVersion: 0 });
const replaced = write('F.2', { version: 2 });
const trail = [entry(1, 'F.1'), entry(2, 'F.2')];

function queued(operation?: RecordedOperation, changes: Partial<RecordedWrite> = {}): RecordedWrite {
  return write('F.2', { status: 202, operationId: 'o1' }, { ...(operation && { operation }), ...changes });
}

/** What is not empty. */
function findingsOf(writes: RecordedWrite[], rows: AuditRow[] = trail, stores = [store]): Partial<Findings> {
  const verdict = checkService(writes, { stores, trail: rows });
  return Object.fromEntries(
    Object.entries(verdict).filter(([, value]) => Array.isArray(value) && value.length > 0),
  );
}

describe('a history that holds', () => {
  it('has no findings, and is counted', () => {
    const unanswered = write('F.3', {}, { isUncertain: true });
    delete unanswered.answer;
    const denied = write('F.4', { status: 401 }, { caller: 'forged' });
    const verdict = checkService([created, replaced, unanswered, denied], { stores: [store], trail });
    expect(verdict).toMatchObject({ writes: 4, acknowledged: 2, journaled: 0, unknown: 1, refused: 0 });
    expect(describeFindings(verdict)).toBe('');
  });

  it('may have been written by way of the journal, in order per store', () => {
    expect(findingsOf([created, queued({ status: 'SUCCEEDED', version: 2 })])).toEqual({});
  });

  it('has a write once that nobody was told of', () => {
    const unanswered = write('F.2', {}, { isUncertain: true, isKeyed: false });
    delete unanswered.answer;
    expect(findingsOf([created, unanswered])).toEqual({});
  });

  it('forgives a late conflict after a write whose outcome nobody knew', () => {
    const doubtful = write('F.2', { status: 503, code: 'write_outcome_unknown' }, { isKeyed: false });
    const late = write(
      'F.9',
      { status: 202, operationId: 'o' },
      { operation: { status: 'FAILED', code: 'version_conflict' } },
    );
    expect(findingsOf([created, doubtful, late])).toEqual({});
    expect(
      findingsOf([created, late], [entry(1, 'F.1')], [{ ...store, version: 1, name: 'F.1' }]),
    ).toHaveProperty('abandoned');
  });
});

describe('what is found', () => {
  it.each<[string, keyof Findings, RecordedWrite[], AuditRow[], StoreRow[]]>([
    ['an acknowledged creation without a store', 'lost', [created], [], []],
    [
      'an acknowledged version without an entry',
      'lost',
      [created, replaced],
      [entry(1, 'F.1')],
      [{ ...store, version: 1 }],
    ],
    [
      'an acknowledged version that is another one',
      'lost',
      [created, write('F.2', { version: 3 })],
      trail,
      [store],
    ],
    [
      'values that are not those sent',
      'lost',
      [created, replaced],
      [entry(1, 'F.1'), entry(2, 'x', { requestId: 'F.2' })],
      [store],
    ],
    [
      'a last state that is not the one acknowledged',
      'lost',
      [created, replaced],
      trail,
      [{ ...store, name: 'F.1' }],
    ],
    [
      'a store that a decommissioning left open',
      'lost',
      [created, write('F.2', { version: 2 }, { kind: 'decommission' })],
      [entry(1, 'F.1'), entry(2, 'F.2', { name: null })],
      [store],
    ],
    [
      'a succeeded operation without an effect',
      'lost',
      [created, queued({ status: 'SUCCEEDED' })],
      [entry(1, 'F.1')],
      [{ ...store, version: 1 }],
    ],
    [
      'a change that was made twice',
      'doubled',
      [created, replaced],
      [...trail, entry(3, 'F.2')],
      [{ ...store, version: 3 }],
    ],
    ['two stores of one code', 'doubled', [created], trail, [store, { ...store, id: 's2' }]],
    [
      'a change that was refused with 412',
      'refusedButApplied',
      [created, write('F.2', { status: 412 })],
      trail,
      [store],
    ],
    [
      'a change that was refused with 503',
      'refusedButApplied',
      [created, write('F.2', { status: 503, code: 'database_unavailable' })],
      trail,
      [store],
    ],
    [
      'a change whose operation failed',
      'refusedButApplied',
      [created, queued({ status: 'FAILED', code: 'version_conflict' })],
      trail,
      [store],
    ],
    [
      'a viewer that was let in',
      'failedOpen',
      [created, write('F.8', { status: 200 }, { caller: 'viewer' })],
      trail,
      [store],
    ],
    [
      'a change by a forged key',
      'failedOpen',
      [created, write('F.2', { status: 503 }, { caller: 'forged' })],
      trail,
      [store],
    ],
    [
      'a forged key that was told of a conflict',
      'failedOpen',
      [created, write('F.8', { status: 412 }, { caller: 'forged' })],
      trail,
      [store],
    ],
    [
      'an operator that was turned away',
      'wronglyDenied',
      [created, write('F.8', { status: 401 })],
      trail,
      [store],
    ],
    [
      'an operation that never ended',
      'abandoned',
      [created, queued({ status: 'QUEUED' })],
      [entry(1, 'F.1')],
      [{ ...store, version: 1 }],
    ],
    [
      'an operation that was forgotten',
      'abandoned',
      [created, queued({ status: 'UNKNOWN' })],
      trail,
      [store],
    ],
    ['an operation that was parked', 'abandoned', [created, queued({ status: 'PARKED' })], trail, [store]],
    [
      'an operation that failed without a conflict',
      'abandoned',
      [created, queued({ status: 'FAILED', code: 'internal' })],
      [entry(1, 'F.1')],
      [{ ...store, version: 1 }],
    ],
    [
      'a gap in the versions',
      'brokenChains',
      [created],
      [entry(1, 'F.1'), entry(3, 'F.3')],
      [{ ...store, version: 3 }],
    ],
    ['an entry too few', 'brokenChains', [created], [entry(1, 'F.1')], [store]],
    [
      'an internal error',
      'unexpected',
      [created, write('F.8', { status: 500, code: 'internal' })],
      trail,
      [store],
    ],
    [
      'a conflict out of nothing',
      'unexpected',
      [created, write('F.8', { status: 412, code: 'version_conflict' })],
      trail,
      [store],
    ],
  ])('%s: %s', (_, finding, writes, rows, stores) => {
    const findings = findingsOf(writes, rows, stores);
    expect(findings).toHaveProperty(finding);
    expect(describeFindings(checkService(writes, { stores, trail: rows }))).toContain(finding);
  });
});
