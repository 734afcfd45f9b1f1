import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TimerClock } from '../../shared/timer-clock.js';
import { systemTimerClock } from '../../shared/timer-clock.js';
import { answerRequest } from './answer-request.js';
import type { VaultAnswer } from './answer-request.js';
import type { Fields } from './engine.js';
import { VaultFault } from './engine.js';
import type { ExecuteSql } from './engines/database.js';
import type { ReviewJwt } from './engines/kubernetes.js';
import { executeOnPostgres } from './execute-on-postgres.js';
import { record } from './fields.js';
import { commit, Misbehaviour } from './misbehaviour.js';
import { systemMaxTtlMs } from './tokens.js';
import { VaultState } from './vault-state.js';

export interface DevVaultOptions {
  /** 0, a free one, unless told. */
  readonly port?: number;
  readonly clock?: TimerClock;
  /** Made up unless told. */
  readonly rootToken?: string;
  /** How database statements are carried out; on a real Postgres unless told. */
  readonly execute?: ExecuteSql;
  /** Who vouches for service account tokens; the configured cluster unless told. */
  readonly reviewJwt?: ReviewJwt;
  /** Sees every answer before it is sent, for tests that look for what they held elsewhere. */
  readonly onAnswer?: (path: string, answer: VaultAnswer) => void;
}

/** A request that arrived, for tests that count them. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly atMs: number;
}

const maxBodyBytes = 32 * 1024 * 1024;

/**
 * A small Vault for development and tests: the part of the HTTP API that the platform uses, in memory, unsealed from
 * the start, on 127.0.0.1 only. The contract suite holds it to what real servers do.
 */
export class DevVault {
  readonly state: VaultState;
  readonly misbehaviour = new Misbehaviour();
  readonly requests: SeenRequest[] = [];
  readonly rootToken: string;
  /** Requests that are being answered; one that hangs on purpose is none. */
  busy = 0;
  readonly #server: Server;
  readonly #onAnswer: NonNullable<DevVaultOptions['onAnswer']>;

  private constructor(options: DevVaultOptions) {
    const { clock = systemTimerClock, execute = executeOnPostgres, reviewJwt } = options;
    this.#onAnswer = options.onAnswer ?? (() => undefined);
    this.state = new VaultState({ clock, execute, ...(reviewJwt && { reviewJwt }) });
    this.rootToken = options.rootToken ?? `s.${randomBytes(18).toString('base64url')}`;
    this.state.tokens.create(
      {
        policies: ['root'],
        ttlMs: 0,
        maxTtlMs: systemMaxTtlMs,
        renewable: false,
        displayName: 'root',
        path: 'auth/token/root',
      },
      this.rootToken,
    );
    this.#server = createServer((request, response) => {
      void this.#serve(request, response);
    });
  }

  /** @throws {Error} under NODE_ENV=production */
  static async start(options: DevVaultOptions = {}): Promise<DevVault> {
    if (process.env['NODE_ENV'] === 'production') {
      throw new Error('The development Vault keeps secrets in memory and must not run in production');
    }
    const vault = new DevVault(options);
    vault.#server.listen(options.port ?? 0, '127.0.0.1');
    await once(vault.#server, 'listening');
    return vault;
  }

  get address(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  /** Stops listening and cuts every connection, hanging ones included. */
  async close(): Promise<void> {
    this.state.leases.close();
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://vault');
    const path = url.pathname.replace(/^\/v1\//, '');
    const method = request.method ?? 'GET';
    this.requests.push({ method, path, atMs: performance.now() });
    this.busy += 1;
    try {
      const misdeed = this.misbehaviour.take(path);
      if (misdeed && !(await commit(misdeed, response))) return;
      const answer = await answerRequest(this.state, {
        method,
        path,
        query: url.searchParams,
        body: await readBody(request),
        tokenId: headerOf(request, 'x-vault-token'),
        wrapTtl: headerOf(request, 'x-vault-wrap-ttl'),
      });
      this.#onAnswer(path, answer);
      send(response, answer);
    } catch (error) {
      const fault = error instanceof VaultFault ? error : new VaultFault(500, 'internal error');
      send(response, { status: fault.status, body: { errors: fault.errors } });
    } finally {
      this.busy -= 1;
    }
  }
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

async function readBody(request: IncomingMessage): Promise<Fields> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) throw new VaultFault(413, 'request body too large');
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  if (text === '') return {};
  try {
    return record(JSON.parse(text)) ?? {};
  } catch {
    throw new VaultFault(400, 'failed to decode JSON input');
  }
}

function send(response: ServerResponse, { status, body }: VaultAnswer): void {
  if (response.destroyed) return;
  response.writeHead(status, { 'cache-control': 'no-store', 'content-type': 'application/json' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}
