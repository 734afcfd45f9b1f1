import type { Clock } from '../../shared/clock.js';
import { canonicalJson } from '../../shared/encoding/canonical-json.js';
import type { Database, Transaction } from '../../shared/database/queryable.js';
import type { Principal } from '../../shared/services/authenticator.js';
import type { EncryptedField } from '../../shared/services/field-cipher.js';
import type { OperationResult } from '../models/operation.js';
import type { AuditAction } from '../models/audit-entry.js';
import { assertTransition, type Contact, type Store, type StoreFields } from '../models/store.js';
import { diffStores } from '../models/store-diff.js';
import type { StoreWrite } from '../models/store-write.js';
import { appendAuditEntry, type ChainEnd, findChainEnd } from '../repositories/audit-repository.js';
import {
  findStore,
  insertStore,
  lockStore,
  type SealedStore,
  updateStore,
} from '../repositories/store-repository.js';
import type { ContactSeal } from './contact-seal.js';
import type { Change, IdempotentRunner, RunContext } from './idempotent-runner.js';
import type { NotesSanitizer } from './notes-sanitizer.js';
import {
  assertIdentity,
  assertNotRuledOut,
  assertVersion,
  StoreDecommissionedError,
} from './store-guards.js';
import { StoreNotFoundError } from './store-queries.js';

/** Who changes something, in which request, and under which key. */
export interface CommandContext extends RunContext {
  readonly principal: Principal;
  readonly requestId: string;
  /** When it is said to happen; now unless told. */
  readonly at?: Date | undefined;
}

/** The fields of a store that callers write, as they are kept. */
type SealedFields = Omit<StoreFields, 'contact'> & { readonly contact?: EncryptedField };

interface LockedStore {
  readonly current: SealedStore;
  /** Of its audit trail. */
  readonly chainEnd: ChainEnd | undefined;
}

export interface CommandResult {
  readonly store: Store;
  /** Whether this is the answer that an earlier request with the same key got. */
  readonly isReplay: boolean;
}

/** Changes stores: each change is one transaction with one audit entry. */
export class StoreCommands {
  readonly #database: Database;
  readonly #runner: IdempotentRunner;
  readonly #contacts: ContactSeal;
  readonly #notes: NotesSanitizer;
  readonly #clock: Clock;

  constructor(
    database: Database,
    runner: IdempotentRunner,
    contacts: ContactSeal,
    notes: NotesSanitizer,
    clock: Clock,
  ) {
    this.#database = database;
    this.#runner = runner;
    this.#contacts = contacts;
    this.#notes = notes;
    this.#clock = clock;
  }

  /**
   * Carries out a change that a caller waits for.
   * - a creation makes the store with the id it brings; `store_code_taken` if there is one with its code
   * - a replacement sets every field that callers write; a status may come along. Nothing changes, the version neither,
   *   when the store is like that already
   * - a decommissioned store stays as it is
   * @throws {StoreCodeTakenError}
   * @throws {StoreNotFoundError}
   * @throws {PreconditionFailedError | ConflictError} `version_conflict` if the store has another version
   * @throws {IllegalTransitionError}
   * @throws {ContactUnreadableError} if the answer would show a contact that cannot be decrypted
   */
  async carryOut(write: StoreWrite, context: CommandContext): Promise<CommandResult> {
    // before the change: afterwards nobody may be told that nothing was done, only because no key is at hand
    const contactOf = await this.#contactToShow(write, context);
    const { value, isReplay } = await this.#runner.run(context, await this.#prepare(write, context));
    const { contact: sealed, ...store } = value;
    const contact = sealed && !isReplay ? contactOf(sealed) : undefined;
    return { store: contact ? { ...store, contact } : await this.#contacts.open(value), isReplay };
  }

  /**
   * Carries out a change that nobody waits for; see `carryOut`.
   * @returns what it led to, now or earlier
   */
  async carryOutUnseen(write: StoreWrite, context: CommandContext): Promise<OperationResult> {
    const { value } = await this.#runner.run(context, await this.#prepare(write, context));
    return { storeId: value.id, version: value.version };
  }

  /** The change as a transaction does it. What needs Vault is done here: a transaction never waits for it. */
  #prepare(write: StoreWrite, context: CommandContext): Promise<Change<SealedStore>> {
    switch (write.kind) {
      case 'store.create':
        return this.#prepareCreation(write, context);
      case 'store.replace':
        return this.#prepareReplacement(write, context);
      case 'store.decommission':
        return Promise.resolve(this.#decommissioning(write, context));
    }
  }

  async #prepareCreation(
    { storeId: id, input }: StoreWrite & { kind: 'store.create' },
    context: CommandContext,
  ): Promise<Change<SealedStore>> {
    const { contact, ...fields } = await this.#normalise(input);
    const sealed = contact && (await this.#contacts.seal(id, contact));
    const now = this.#timeOf(context);
    const store: SealedStore = {
      ...fields,
      id,
      status: 'PROVISIONING',
      version: 1,
      createdAt: now,
      createdBy: context.principal.id,
      updatedAt: now,
      updatedBy: context.principal.id,
      ...(sealed && { contact: sealed }),
    };
    const makeIn = async (tx: Transaction): Promise<SealedStore> => {
      await insertStore(tx, store);
      this.#audit(tx, 'store.created', undefined, store, context);
      return store;
    };
    return (tx) => Promise.resolve(() => makeIn(tx));
  }

  async #prepareReplacement(
    { storeId, input, expected }: StoreWrite & { kind: 'store.replace' },
    context: CommandContext,
  ): Promise<Change<SealedStore>> {
    const { contact, id: saidId, code, version, status: wanted, ...fields } = await this.#normalise(input);
    const said = { ...(saidId !== undefined && { id: saidId }), ...(code !== undefined && { code }) };
    const sealed = contact && (await this.#sealForReplacement(storeId, contact, context));
    return this.#changeOf(storeId, context, (tx, { current, chainEnd }) => {
      assertIdentity(current, said);
      assertVersion(current.version, expected);
      const status = wanted ?? current.status;
      assertTransition(current.status, status);
      const next = this.#advance(current, status, context, {
        ...fields,
        ...(sealed && { contact: sealed(current) }),
      });
      if (diffStores(current, next).length === 0) return current;
      if (current.status === 'DECOMMISSIONED') throw new StoreDecommissionedError(storeId);
      updateStore(tx, next);
      const isClosing = status !== current.status && status === 'DECOMMISSIONED';
      const action = isClosing ? 'store.decommissioned' : 'store.replaced';
      this.#audit(tx, action, { store: current, chainEnd }, next, context);
      return next;
    });
  }

  #decommissioning(
    { storeId, expected }: StoreWrite & { kind: 'store.decommission' },
    context: CommandContext,
  ): Change<SealedStore> {
    return this.#changeOf(storeId, context, (tx, { current, chainEnd }) => {
      assertNotRuledOut(current.version, expected);
      if (current.status === 'DECOMMISSIONED') return current;
      assertVersion(current.version, expected);
      const next = this.#advance(current, 'DECOMMISSIONED', context, current);
      updateStore(tx, next);
      this.#audit(tx, 'store.decommissioned', { store: current, chainEnd }, next, context);
      return next;
    });
  }

  /** @returns the contact in the clear to a ciphertext, where it is at hand */
  #contactToShow(
    write: StoreWrite,
    context: CommandContext,
  ): Promise<(sealed: EncryptedField) => Contact | undefined> {
    if (write.kind === 'store.decommission') return this.#openContact(write.storeId, context);
    const { contact } = write.input;
    return Promise.resolve(() => contact);
  }

  /** Opens the contact before a change that keeps it. */
  async #openContact(
    id: string,
    context: CommandContext,
  ): Promise<(sealed: EncryptedField) => Contact | undefined> {
    const before = await this.#findBefore(id, context);
    const sealedBefore = before?.contact;
    if (!sealedBefore) return () => undefined;
    const contact = await this.#contacts.unseal(id, sealedBefore);
    return (sealed) => (canonicalJson(sealed) === canonicalJson(sealedBefore) ? contact : undefined);
  }

  #findBefore(id: string, { consistency, waitMs, signal }: CommandContext): Promise<SealedStore | undefined> {
    return this.#database.read((db) => findStore(db, id), {
      consistency,
      waitMs,
      ...(signal && { signal }),
    });
  }

  #timeOf({ at }: CommandContext): string {
    return (at ?? this.#clock.now()).toISOString();
  }

  /**
   * A change of a store that is there, locked for it.
   * @param make has its statements run at the end of the transaction
   */
  #changeOf(
    id: string,
    { idempotencyKey }: CommandContext,
    make: (tx: Transaction, store: LockedStore) => SealedStore,
  ): Change<SealedStore> {
    return async (tx) => {
      // asked for at once, answered one after the other
      const [current, chainEnd] = await Promise.all([
        lockStore(tx, id, idempotencyKey),
        findChainEnd(tx, id),
      ]);
      return () => {
        if (!current) throw new StoreNotFoundError(id);
        return make(tx, { current, chainEnd });
      };
    };
  }

  /** The next state of a store: `fields`, one version on, with the times that the status asks for. */
  #advance(
    current: SealedStore,
    status: Store['status'],
    context: CommandContext,
    fields: SealedFields,
  ): SealedStore {
    const clockTime = this.#timeOf(context);
    // clocks of several processes differ: a store's times must not run backwards all the same
    const now = clockTime > current.updatedAt ? clockTime : current.updatedAt;
    const activatedAt = status === 'ACTIVE' ? (current.activatedAt ?? now) : current.activatedAt;
    const decommissionedAt = status === 'DECOMMISSIONED' ? (current.decommissionedAt ?? now) : undefined;
    return {
      ...fields,
      id: current.id,
      code: current.code,
      status,
      version: current.version + 1,
      createdAt: current.createdAt,
      createdBy: current.createdBy,
      updatedAt: now,
      updatedBy: context.principal.id,
      ...(activatedAt !== undefined && { activatedAt }),
      ...(decommissionedAt !== undefined && { decommissionedAt }),
    };
  }

  /** Sanitises the notes; empty notes and empty labels are none. */
  async #normalise<T extends StoreFields>({
    notes,
    labels,
    ...input
  }: T): Promise<Omit<T, 'notes' | 'labels'> & Pick<StoreFields, 'notes' | 'labels'>> {
    const cleanNotes = notes === undefined ? '' : await this.#notes.sanitize(notes);
    const hasLabels = labels !== undefined && Object.keys(labels).length > 0;
    return { ...input, ...(cleanNotes !== '' && { notes: cleanNotes }), ...(hasLabels && { labels }) };
  }

  /**
   * Encrypts the contact before the transaction begins, for a transaction never waits for the keys' service.
   * @returns the ciphertext to store: the present one where the contact is as it was
   */
  async #sealForReplacement(
    id: string,
    contact: Contact,
    context: CommandContext,
  ): Promise<(current: SealedStore) => EncryptedField> {
    const [before, fresh] = await Promise.all([
      this.#findBefore(id, context),
      this.#contacts.seal(id, contact),
    ]);
    if (!before?.contact) return () => fresh;
    const isSame = await this.#contacts.holds(id, before.contact, contact);
    return (current) =>
      isSame && current.version === before.version && current.contact ? current.contact : fresh;
  }

  #audit(
    tx: Transaction,
    action: AuditAction,
    before: { readonly store: SealedStore; readonly chainEnd: ChainEnd | undefined } | undefined,
    after: SealedStore,
    { principal, requestId }: CommandContext,
  ): void {
    const facts = {
      storeId: after.id,
      at: after.updatedAt,
      actor: principal.id,
      action,
      ...(before && { fromVersion: before.store.version }),
      toVersion: after.version,
      changes: diffStores(before?.store, after),
      requestId,
    };
    appendAuditEntry(tx, facts, before?.chainEnd);
  }
}
