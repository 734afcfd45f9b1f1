import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { exchange } from './http-exchange.js';
import type { HttpAnswer } from './http-exchange.js';
import { failureOfStatus, VaultError } from './vault-error.js';

export interface VaultTransportOptions {
  /** `http://…` or `https://…`, without a path. */
  readonly address: string;
  /** Certificate authorities to trust instead of the system's, PEM. */
  readonly ca?: string;
  /** For a whole call, connecting included. */
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
  readonly maxSockets: number;
}

/** What node-vault hands over: its own fields, and the ones we pass through its `requestOptions`. */
export interface TransportRequest {
  readonly method: string;
  readonly uri: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly operation: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Statuses that are answers here rather than errors, besides 2xx. */
  readonly accept?: (status: number) => boolean;
}

/** An answer with its status, which node-vault would have dropped. */
export interface VaultReply {
  readonly status: number;
  /** The JSON object of the answer; absent for an empty one (204). */
  readonly body: Readonly<Record<string, unknown>> | undefined;
}

/** The shape that node-vault's `handleVaultResponse` reads. */
export interface NodeVaultResponse {
  readonly statusCode: 200;
  readonly body: VaultReply;
  readonly request: { readonly path: string };
}

const longestRetryAfterMs = 3_600_000;

/**
 * The transport that node-vault uses instead of axios: no redirects, no decompression, no environment switches, one
 * deadline for the whole call, and no error of anybody else's. Statuses become errors here, so that node-vault
 * never builds its own, which would hold the answer's body.
 */
export class VaultTransport {
  readonly #options: VaultTransportOptions;
  readonly #origin: string;
  readonly #agent: HttpAgent;

  /** @throws {TypeError} if the address is not an http or https origin */
  constructor(options: VaultTransportOptions) {
    this.#options = options;
    this.#origin = originOf(options.address);
    const common = {
      keepAlive: true,
      maxSockets: options.maxSockets,
      scheduling: 'lifo',
      timeout: 60_000,
    } as const;
    this.#agent = this.#origin.startsWith('https:')
      ? // Said explicitly, because NODE_TLS_REJECT_UNAUTHORIZED=0 would otherwise decide.
        new HttpsAgent({ ...common, rejectUnauthorized: true, ...(options.ca && { ca: options.ca }) })
      : new HttpAgent(common);
  }

  get origin(): string {
    return this.#origin;
  }

  /** @throws {VaultError} always and only */
  async send(request: TransportRequest): Promise<NodeVaultResponse> {
    const { operation } = request;
    const url = new URL(request.uri);
    if (url.origin !== this.#origin)
      throw new VaultError(operation, 'rejected', { reason: 'FOREIGN_ORIGIN' });

    const body = request.json === undefined ? undefined : JSON.stringify(request.json);
    const answer = await exchange({
      operation,
      url,
      body,
      options: { method: request.method, agent: this.#agent, headers: headersOf(request, body) },
      timeoutMs: request.timeoutMs ?? this.#options.timeoutMs,
      maxResponseBytes: this.#options.maxResponseBytes,
      signal: request.signal,
    });
    return { statusCode: 200, body: replyOf(answer, request), request: { path: url.pathname } };
  }

  /** Closes idle and busy connections. */
  close(): void {
    this.#agent.destroy();
  }
}

function originOf(address: string): string {
  const url = URL.parse(address);
  const isOrigin =
    url && /^https?:$/.test(url.protocol) && url.pathname === '/' && !url.search && !url.username;
  if (!isOrigin) throw new TypeError('The Vault address must be http(s)://host:port and nothing more');
  return url.origin;
}

function headersOf(request: TransportRequest, body: string | undefined): Record<string, string | number> {
  return {
    ...request.headers,
    accept: 'application/json',
    'accept-encoding': 'identity',
    // Vault refuses requests of server-side request forgery, which cannot set this header.
    'x-vault-request': 'true',
    ...(body !== undefined && {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    }),
  };
}

function replyOf(answer: HttpAnswer, { operation, accept }: TransportRequest): VaultReply {
  const { status, headers, text } = answer;
  const isAnswer = (status >= 200 && status < 300) || accept?.(status) === true;
  if (!isAnswer) {
    const retryAfterMs = parseRetryAfter(headers['retry-after']);
    const failure = failureOfStatus(status, hasErrors(text));
    throw new VaultError(operation, failure, {
      status,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(failure === 'not_found' && !saysThatNothingIsThere(text) && { reason: 'NO_ROUTE' }),
    });
  }
  if (text === '') return { status, body: undefined };
  const body = parseObject(text);
  if (!body || (headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new VaultError(operation, 'malformed', { status });
  }
  return { status, body };
}

/**
 * What Vault answers with 404 where it has looked: an empty list of errors, or all there is to say of a deleted version.
 * Where nothing is mounted it names the route, and whatever else answers in its place has no such list.
 */
function saysThatNothingIsThere(text: string): boolean {
  const body = parseObject(text);
  const errors = body?.['errors'];
  return Array.isArray(errors) ? errors.length === 0 : typeof body?.['data'] === 'object';
}

/** Every error of Vault's own has this list, even if it is empty. */
function hasErrors(text: string): boolean {
  return Array.isArray(parseObject(text)?.['errors']);
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    // The parser's message quotes the text, so it must not travel.
    return undefined;
  }
}

/** Seconds or an HTTP date (RFC 9110, section 10.2.3), in milliseconds from now, at most an hour. */
export function parseRetryAfter(value: string | undefined, nowMs = Date.now()): number | undefined {
  if (value === undefined) return undefined;
  const delayMs = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return Number.isNaN(delayMs) ? undefined : Math.min(Math.max(delayMs, 0), longestRetryAfterMs);
}
