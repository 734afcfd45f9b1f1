import { v7 as uuidv7 } from 'uuid';
import type { Clock } from '../../shared/clock.js';
import { canonicalJson } from '../../shared/encoding/canonical-json.js';
import type { Consistency } from '../../shared/database/consistency.js';
import type { Database, Transaction } from '../../shared/database/queryable.js';
import type { Principal } from '../../shared/services/authenticator.js';
import type { EncryptedField } from '../../shared/services/field-cipher.js';
import type { AuditAction } from '../models/audit-entry.js';
import {
  assertTransition,
  type Contact,
  type NewStore,
  type ReplaceStore,
  type Store,
  type StoreFields,
} from '../models/store.js';
import { diffStores } from '../models/store-diff.js';
import { appendAuditEntry } from '../repositories/audit-repository.js';
import type { IdempotencyKey } from '../repositories/idempotency-repository.js';
import {
  findStore,
  insertStore,
  lockStore,
  type SealedStore,
  updateStore,
} from '../repositories/store-repository.js';
import type { ContactSeal } from './contact-seal.js';
import type { IdempotentRunner } from './idempotent-runner.js';
import type { NotesSanitizer } from './notes-sanitizer.js';
import {
  assertIdentity,
  assertVersion,
  type ExpectedVersion,
  StoreDecommissionedError,
} from './store-guards.js';
import { StoreNotFoundError } from './store-queries.js';

/** Who changes something, in which request, and under which key where one was given. */
export interface CommandContext {
  readonly principal: Principal;
  readonly requestId: string;
  readonly consistency: Consistency;
  readonly idempotencyKey?: IdempotencyKey;
  /** Longest wait for a database that is away; without it, the limit that is configured. */
  readonly waitMs?: number | undefined;
}

/** The fields of a store that callers write, as they are kept. */
type SealedFields = Omit<StoreFields, 'contact'> & { readonly contact?: EncryptedField };

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

  /** @throws {StoreCodeTakenError} */
  async create(input: NewStore, context: CommandContext): Promise<CommandResult> {
    const id = uuidv7();
    const now = this.#clock.now().toISOString();
    const { contact, ...fields } = await this.#normalise(input);
    const store: SealedStore = {
      ...fields,
      id,
      status: 'PROVISIONING',
      version: 1,
      createdAt: now,
      createdBy: context.principal.id,
      updatedAt: now,
      updatedBy: context.principal.id,
      ...(contact && { contact: await this.#contacts.seal(id, contact) }),
    };
    return this.#run(
      context,
      async (tx) => {
        await insertStore(tx, store);
        await this.#audit(tx, 'store.created', undefined, store, context);
        return store;
      },
      () => contact,
    );
  }

  /**
   * Replaces every field that callers write; a status may come along. Nothing changes, the version neither, when the
   * store is like that already.
   * @throws {StoreNotFoundError}
   * @throws {PreconditionFailedError | ConflictError} `version_conflict` if the store has another version
   * @throws {IllegalTransitionError}
   */
  async replace(
    id: string,
    input: ReplaceStore,
    expected: ExpectedVersion,
    context: CommandContext,
  ): Promise<CommandResult> {
    const { contact, id: saidId, code, version, status: wanted, ...fields } = await this.#normalise(input);
    const said = { ...(saidId !== undefined && { id: saidId }), ...(code !== undefined && { code }) };
    const sealed = contact && (await this.#sealForReplacement(id, contact, context));
    return this.#run(
      context,
      async (tx) => {
        const current = await this.#lock(tx, id);
        assertIdentity(current, said);
        assertVersion(current.version, expected);
        const status = wanted ?? current.status;
        assertTransition(current.status, status);
        const next = this.#advance(current, status, context, {
          ...fields,
          ...(sealed && { contact: sealed(current) }),
        });
        if (diffStores(current, next).length === 0) return current;
        if (current.status === 'DECOMMISSIONED') throw new StoreDecommissionedError(id);
        await updateStore(tx, next);
        const action =
          status !== current.status && status === 'DECOMMISSIONED'
            ? 'store.decommissioned'
            : 'store.replaced';
        await this.#audit(tx, action, current, next, context);
        return next;
      },
      () => contact,
    );
  }

  /**
   * Decommissions the store; one that is decommissioned already stays as it is.
   * @throws {StoreNotFoundError}
   * @throws {PreconditionFailedError} if the store has another version
   */
  async decommission(id: string, expected: ExpectedVersion, context: CommandContext): Promise<CommandResult> {
    const openBefore = await this.#openContact(id, context);
    return this.#run(
      context,
      async (tx) => {
        const current = await this.#lock(tx, id);
        if (current.status === 'DECOMMISSIONED') return current;
        assertVersion(current.version, expected);
        const next = this.#advance(current, 'DECOMMISSIONED', context, current);
        await updateStore(tx, next);
        await this.#audit(tx, 'store.decommissioned', current, next, context);
        return next;
      },
      openBefore,
    );
  }

  /**
   * @param contactOf the contact in the clear, if it is at hand: after the commit nobody may be told that nothing was
   *   done, only because the keys' service does not answer
   */
  async #run(
    context: CommandContext,
    work: (tx: Transaction) => Promise<SealedStore>,
    contactOf: (sealed: EncryptedField) => Contact | undefined,
  ): Promise<CommandResult> {
    const { value, isReplay } = await this.#runner.run(context, work);
    const { contact: sealed, ...store } = value;
    const contact = sealed && !isReplay ? contactOf(sealed) : undefined;
    return { store: contact ? { ...store, contact } : await this.#contacts.open(value), isReplay };
  }

  /** Opens the contact before a change that keeps it. */
  async #openContact(
    id: string,
    { consistency, waitMs }: CommandContext,
  ): Promise<(sealed: EncryptedField) => Contact | undefined> {
    const before = await this.#database.read((db) => findStore(db, id), { consistency, waitMs });
    const sealedBefore = before?.contact;
    if (!sealedBefore) return () => undefined;
    const contact = await this.#contacts.unseal(id, sealedBefore);
    return (sealed) => (canonicalJson(sealed) === canonicalJson(sealedBefore) ? contact : undefined);
  }

  async #lock(tx: Transaction, id: string): Promise<SealedStore> {
    const store = await lockStore(tx, id);
    if (!store) throw new StoreNotFoundError(id);
    return store;
  }

  /** The next state of a store: `fields`, one version on, with the times that the status asks for. */
  #advance(
    current: SealedStore,
    status: Store['status'],
    context: CommandContext,
    fields: SealedFields,
  ): SealedStore {
    const clockTime = this.#clock.now().toISOString();
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
    { consistency, waitMs }: CommandContext,
  ): Promise<(current: SealedStore) => EncryptedField> {
    const [before, fresh] = await Promise.all([
      this.#database.read((db) => findStore(db, id), { consistency, waitMs }),
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
    before: SealedStore | undefined,
    after: SealedStore,
    { principal, requestId }: CommandContext,
  ): Promise<void> {
    return appendAuditEntry(tx, {
      storeId: after.id,
      at: after.updatedAt,
      actor: principal.id,
      action,
      ...(before && { fromVersion: before.version }),
      toVersion: after.version,
      changes: diffStores(before, after),
      requestId,
    });
  }
}
