import { outcomeOf, type RecordedWrite } from './recorded-write.js';

/** A store as the database has it. */
export interface StoreRow {
  readonly id: string;
  readonly code: string;
  readonly name: string;
  readonly status: string;
  readonly version: number;
}

/** An entry of the audit trail, in the order of the store's chain. */
export interface AuditRow {
  readonly storeId: string;
  readonly sequence: number;
  readonly fromVersion: number | null;
  readonly toVersion: number;
  readonly action: string;
  /** The name that it gave the store, if it changed that. */
  readonly name: string | null;
  readonly requestId: string;
}

export interface Truth {
  readonly stores: readonly StoreRow[];
  readonly trail: readonly AuditRow[];
}

/** What was found wrong; every list is empty when all is well. */
export interface Findings {
  /** Acknowledged, and not there as acknowledged. */
  readonly lost: string[];
  /** There more than once. */
  readonly doubled: string[];
  /** Refused, and there all the same. */
  readonly refusedButApplied: string[];
  /** Let in, or applied, although the caller may not write. */
  readonly failedOpen: string[];
  /** Callers who may write and were told that they may not. */
  readonly wronglyDenied: string[];
  /** Accepted into the journal, and neither done nor refused for a good reason. */
  readonly abandoned: string[];
  /** Stores whose versions have a gap or a double. */
  readonly brokenChains: string[];
  /** Answers that no fault excuses. */
  readonly unexpected: string[];
}

export interface Verdict extends Findings {
  readonly writes: number;
  readonly acknowledged: number;
  /** Of these, by way of the journal. */
  readonly journaled: number;
  readonly refused: number;
  readonly unknown: number;
}

const creation = 'store.created';
/** A write that is carried out late may meet what happened meanwhile. */
const conflicts = [
  'version_conflict',
  'store_code_taken',
  'store_decommissioned',
  'store_not_found',
  'illegal_transition',
];

/**
 * Holds what clients were told against what the database has. What nobody was told about may be there once or not at all.
 * An operation may have failed of a conflict only after a write to the same store whose outcome nobody knows, or that
 * failed itself.
 */
export function checkService(writes: readonly RecordedWrite[], truth: Truth): Verdict {
  return new Check(writes, truth).run();
}

class Check {
  readonly #writes: readonly RecordedWrite[];
  readonly #stores: ReadonlyMap<string, StoreRow>;
  readonly #byRequest: Map<string, AuditRow[]>;
  readonly #byName: Map<string | null, AuditRow[]>;
  readonly #byStore: Map<string, AuditRow[]>;
  readonly #codes: Map<string, StoreRow[]>;
  readonly #doubtful = new Set<string>();
  readonly #found: Findings = {
    lost: [],
    doubled: [],
    refusedButApplied: [],
    failedOpen: [],
    wronglyDenied: [],
    abandoned: [],
    brokenChains: [],
    unexpected: [],
  };

  constructor(writes: readonly RecordedWrite[], { stores, trail }: Truth) {
    this.#writes = writes;
    this.#stores = new Map(stores.map((store) => [store.id, store]));
    this.#codes = Map.groupBy(stores, ({ code }) => code);
    this.#byRequest = Map.groupBy(trail, ({ requestId }) => requestId);
    this.#byName = Map.groupBy(trail, ({ name }) => name);
    this.#byStore = Map.groupBy(trail, ({ storeId }) => storeId);
  }

  run(): Verdict {
    let [acknowledged, journaled, refused, unknown] = [0, 0, 0, 0];
    for (const write of this.#writes) {
      const outcome = outcomeOf(write);
      this.#checkAtMostOnce(write);
      if (write.caller !== 'operator') {
        this.#checkIntruder(write);
        continue;
      }
      this.#checkAnswer(write);
      switch (outcome) {
        case 'acknowledged':
          acknowledged += 1;
          if (write.answer?.operationId !== undefined) journaled += 1;
          this.#checkApplied(write);
          break;
        case 'refused':
          refused += 1;
          this.#checkNotApplied(write);
          break;
        case 'queued':
          this.#report('abandoned', write, write.operation?.status ?? 'not followed');
          break;
        case 'unknown':
          unknown += 1;
          this.#doubtful.add(write.code);
      }
    }
    for (const [code, stores] of this.#codes)
      if (stores.length > 1) this.#found.doubled.push(`store ${code}`);
    for (const store of this.#stores.values()) this.#checkChain(store);
    return { writes: this.#writes.length, acknowledged, journaled, refused, unknown, ...this.#found };
  }

  #checkApplied(write: RecordedWrite): void {
    const { kind, storeId, marker, answer, operation, baseVersion } = write;
    const [entry] = this.#entriesOf(write);
    const store = this.#stores.get(storeId ?? '');
    if (!entry || !store) {
      this.#report('lost', write, store ? 'no entry in the audit trail' : 'no such store');
      return;
    }
    const version = operation?.version ?? answer?.version ?? baseVersion + 1;
    const isAsTold =
      entry.storeId === storeId &&
      entry.toVersion === version &&
      entry.fromVersion === (kind === 'create' ? null : version - 1) &&
      (entry.action === creation) === (kind === 'create') &&
      (kind === 'decommission' || entry.name === marker) &&
      store.code === write.code;
    const isLast = store.version === entry.toVersion;
    const isThere =
      !isLast || (kind === 'decommission' ? store.status === 'DECOMMISSIONED' : store.name === marker);
    if (!isAsTold || !isThere) this.#report('lost', write, `told v${version}, found v${entry.toVersion}`);
  }

  #checkNotApplied(write: RecordedWrite): void {
    if (this.#entriesOf(write).length > 0) {
      this.#report('refusedButApplied', write, write.operation?.code ?? write.answer?.code ?? 'not sent');
    }
  }

  #checkAtMostOnce(write: RecordedWrite): void {
    const named = write.kind === 'decommission' ? [] : (this.#byName.get(write.marker) ?? []);
    const asked = this.#byRequest.get(write.marker) ?? [];
    if (named.length > 1 || asked.length > 1)
      this.#report('doubled', write, `${named.length}/${asked.length} entries`);
  }

  #checkIntruder(write: RecordedWrite): void {
    const { answer } = write;
    if (answer && answer.status < 400) this.#report('failedOpen', write, `let in: ${answer.status}`);
    if (this.#entriesOf(write).length > 0) this.#report('failedOpen', write, 'applied');
    if (answer && answer.status >= 400 && ![401, 403, 503].includes(answer.status)) {
      this.#report(
        'failedOpen',
        write,
        `${answer.status} ${answer.code ?? ''} before the decision who is calling`,
      );
    }
  }

  /** A client that is alone with its stores, and builds on what it was told only, meets no conflicts of its own making. */
  #checkAnswer(write: RecordedWrite): void {
    const { answer, operation, code } = write;
    if (!answer) return;
    const { status } = answer;
    if (status === 401 || status === 403) this.#report('wronglyDenied', write, String(status));
    const isConflict = [404, 409, 412].includes(status);
    const isExcused = status < 400 || status === 503 || (isConflict && this.#doubtful.has(code));
    if (!isExcused && status !== 401 && status !== 403) {
      this.#report('unexpected', write, `${status} ${answer.code ?? ''}`);
    }
    if (operation?.status !== 'FAILED') return;
    if (!conflicts.includes(operation.code ?? '') || !this.#doubtful.has(code)) {
      this.#report('abandoned', write, `FAILED ${operation.code ?? ''}`);
    }
    this.#doubtful.add(code);
  }

  #checkChain(store: StoreRow): void {
    const chain = this.#byStore.get(store.id) ?? [];
    const isWhole = chain.every(
      ({ sequence, fromVersion, toVersion }, index) =>
        sequence === index + 1 && toVersion === index + 1 && fromVersion === (index === 0 ? null : index),
    );
    if (!isWhole || chain.length !== store.version) {
      this.#found.brokenChains.push(
        `${store.code} v${store.version}: ${chain.map(({ toVersion }) => toVersion).join(' ')}`,
      );
    }
  }

  #entriesOf({ marker, kind }: RecordedWrite): AuditRow[] {
    const asked = this.#byRequest.get(marker) ?? [];
    return kind === 'decommission' || asked.length > 0 ? asked : (this.#byName.get(marker) ?? []);
  }

  #report(finding: keyof Findings, { kind, code, marker, isKeyed }: RecordedWrite, what: string): void {
    this.#found[finding].push(`${kind} ${code} (${marker}${isKeyed ? ', keyed' : ''}): ${what}`);
  }
}

/** The findings in words, the first few of each; empty when all is well. */
export function describeFindings(verdict: Verdict, shown = 4): string {
  const { writes: _writes, acknowledged: _a, journaled: _j, refused: _r, unknown: _u, ...findings } = verdict;
  return Object.entries(findings)
    .filter(([, list]) => list.length > 0)
    .map(([name, list]) => `${list.length} ${name}: ${list.slice(0, shown).join('; ')}`)
    .join(' | ');
}
