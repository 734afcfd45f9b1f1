import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { SeededRandom } from '../../helpers/seeded-random.js';
import { HttpCaller, jsonOf, type Reply } from './http-caller.js';
import { type KnownStore, storeAfter } from './known-store.js';
import { type LoadMix, MixedLoad } from './mixed-load.js';
import {
  type CallerKind,
  isPassing,
  isUnknownOutcome,
  outcomeOf,
  type RecordedOperation,
  type RecordedWrite,
} from './recorded-write.js';
import { bodyOf, type PersonalData } from './store-body.js';

export interface RecorderOptions {
  readonly port: () => number;
  /** A key for each kind of caller; a new one at every call for `forged`. */
  readonly keyOf: (caller: CallerKind) => string;
  readonly random: SeededRandom;
  readonly personal: PersonalData;
  /** Sees every answer. */
  readonly onReply: (reply: Reply) => void;
}

const retryDelayMs = 60;
const patienceMs = 40_000;
const finalStates = ['SUCCEEDED', 'FAILED', 'PARKED'];

/** Clients that change stores over HTTP, and a log of what each of their writes was told. */
export class HttpRecorder {
  readonly writes: RecordedWrite[] = [];
  /** Answers by status, and silences. */
  readonly replies = new Map<string, number>();
  /** Answers to reads that were older than what their reader was told to be done, and did not say that they were stale. */
  readonly staleReads: string[] = [];
  /** Begins the code of each store of this recorder. */
  readonly prefix: string;
  readonly #options: RecorderOptions;
  readonly #http: HttpCaller;
  readonly #load: MixedLoad;
  #count = 0;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.prefix = `F${randomUUID().slice(0, 8).toUpperCase()}`;
    this.#http = new HttpCaller(options.port());
    this.#load = new MixedLoad(options.random, {
      read: (store) => this.#read(store),
      write: (kind, store, how) => this.#write(kind, store, how),
    });
  }

  /** @param count clients at once, each with one request at a time */
  start(count: number, mix?: LoadMix): void {
    this.#load.start(count, mix);
  }

  /** Lets every client finish what it is at. */
  stop(): Promise<void> {
    return this.#load.stop();
  }

  close(): void {
    this.#http.close();
  }

  acknowledged(): number {
    return this.writes.filter((write) => outcomeOf(write) === 'acknowledged').length;
  }

  /** Creates a store. */
  create(options: WriteOptions = {}): Promise<RecordedWrite> {
    return this.#write('create', undefined, options);
  }

  /** Replaces a store that an earlier write of this recorder has left behind. */
  replace(before: RecordedWrite, options: WriteOptions = {}): Promise<RecordedWrite> {
    return this.#write('replace', storeAfter(before), options);
  }

  /** Follows operations of accepted writes until they end or `timeoutMs` is over. */
  async followOperations(timeoutMs: number): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    const open = this.writes.filter((write) => outcomeOf(write) === 'queued');
    const follow = async (): Promise<void> => {
      for (let write = open.pop(); write; write = open.pop()) await this.#follow(write, deadlineMs);
    };
    await Promise.all(Array.from({ length: 16 }, follow));
  }

  async #follow(write: RecordedWrite, deadlineMs: number): Promise<void> {
    while (performance.now() < deadlineMs) {
      const operation = await this.readOperation(write.answer?.operationId ?? '');
      if (operation) write.operation = operation;
      if (operation && finalStates.includes(operation.status)) return;
      await delay(retryDelayMs);
    }
  }

  /** @returns undefined if it cannot be read now */
  async readOperation(id: string, waitS = 5): Promise<RecordedOperation | undefined> {
    const reply = await this.#http.call('GET', `/api/operations/${id}`, {
      key: this.#options.keyOf('operator'),
      headers: { prefer: `wait=${waitS}` },
    });
    if (typeof reply === 'string' || reply.status !== 200) {
      return typeof reply !== 'string' && reply.status === 404 ? { status: 'UNKNOWN' } : undefined;
    }
    this.#options.onReply(reply);
    const { status, result, problem } = jsonOf(reply) as {
      status: string;
      result?: { version?: number };
      problem?: { code?: string };
    };
    return {
      status,
      ...(result?.version !== undefined && { version: result.version }),
      ...(problem?.code !== undefined && { code: problem.code }),
    };
  }

  async #read(store: KnownStore): Promise<void> {
    const reply = await this.#http.call('GET', `/api/stores/${store.id}`, {
      key: this.#options.keyOf('operator'),
    });
    this.#tally(typeof reply === 'string' ? reply : `GET ${reply.status}`);
    if (typeof reply === 'string' || ![200, 404].includes(reply.status)) return;
    const { version = 0, meta } = jsonOf(reply) as { version?: number; meta?: { stale?: boolean } };
    if (version < store.done && meta?.stale !== true && reply.headers.age === undefined) {
      this.staleReads.push(`${store.code} v${version} after v${store.done}`);
    }
  }

  async #write(
    kind: RecordedWrite['kind'],
    store: KnownStore | undefined,
    { isKeyed = true, caller = 'operator', path = '', headers = {} }: WriteOptions,
  ): Promise<RecordedWrite> {
    const number = (this.#count += 1);
    const write: RecordedWrite = {
      marker: `${this.prefix}.${number}`,
      kind,
      caller,
      isKeyed,
      code: store?.code ?? `${this.prefix}-${number}`,
      ...(store && { storeId: store.id }),
      baseVersion: store?.version ?? 0,
      startedAtMs: performance.now(),
      attempts: 0,
      isUncertain: false,
    };
    this.writes.push(write);
    const deadlineMs = write.startedAtMs + patienceMs;
    while (performance.now() < deadlineMs) {
      const isFinal = await this.#attempt(write, path, headers);
      if (isFinal) break;
      await delay(retryDelayMs);
    }
    return write;
  }

  /** @returns whether it was the last one */
  async #attempt(write: RecordedWrite, suffix: string, headers: Record<string, string>): Promise<boolean> {
    const { kind, caller, isKeyed, marker, code, storeId = '', baseVersion } = write;
    const path = kind === 'create' ? '/api/stores' : `/api/stores/${storeId}`;
    const reply = await this.#http.call(methods[kind], path + suffix, {
      key: this.#options.keyOf(caller),
      ...(kind !== 'decommission' && { body: bodyOf(kind, code, marker, this.#options.personal) }),
      headers: {
        'x-request-id': marker,
        ...(kind !== 'create' && { 'if-match': `"v${baseVersion}"` }),
        ...(isKeyed && { 'idempotency-key': marker }),
        ...headers,
      },
    });
    if (reply === 'not_sent') {
      this.#tally(reply);
      return false;
    }
    write.attempts += 1;
    if (reply === 'no_answer') {
      this.#tally(reply);
      write.isUncertain = true;
      return !isKeyed;
    }
    this.#note(write, reply);
    return !isKeyed || !isPassing(write.answer ?? { status: 0 });
  }

  #note(write: RecordedWrite, reply: Reply): void {
    const { status } = reply;
    const body = jsonOf(reply) as { code?: string; version?: number; id?: string; storeId?: string };
    const isQueued = status === 202;
    this.#tally(`${methods[write.kind]} ${status}${status >= 400 ? ` ${body.code ?? ''}` : ''}`);
    if (isUnknownOutcome(body) || status === 500) write.isUncertain = true;
    write.answer = {
      status,
      atMs: performance.now(),
      ...(status >= 400 && body.code !== undefined && { code: body.code }),
      ...(body.version !== undefined && !isQueued && { version: body.version }),
      ...(isQueued && body.id !== undefined && { operationId: body.id }),
    };
    const storeId = isQueued ? body.storeId : body.id;
    if (status < 300 && storeId !== undefined) write.storeId ??= storeId;
    this.#options.onReply(reply);
  }

  #tally(what: string): void {
    this.replies.set(what, (this.replies.get(what) ?? 0) + 1);
  }
}

const methods = { create: 'POST', replace: 'PUT', decommission: 'DELETE' } as const;

export interface WriteOptions {
  readonly isKeyed?: boolean;
  readonly caller?: CallerKind;
  /** After the path, such as a query. */
  readonly path?: string;
  readonly headers?: Record<string, string>;
}
