import { readFile } from 'node:fs/promises';
import type { EnvironmentVariables } from '../shared/config/config.js';
import { codeOf, messageOf } from '../shared/errors/error-code.js';
import { UsageError } from './usage-error.js';

/** Where the service is, and who asks it; neither comes from the service's own configuration. */
export interface ServiceOptions {
  readonly url?: string;
  readonly keyFile?: string;
}

interface Problem {
  readonly title: string;
  readonly detail: string;
  readonly code: string;
  readonly requestId: string;
}

const defaultUrl = 'http://127.0.0.1:3000';
/** Longer than the service waits for a failover. */
const timeoutMs = 60_000;

/** Calls the running service as an admin: what it has locked, nobody else can open. */
export class ServiceClient {
  readonly #base: string;
  readonly #key: string;

  private constructor(base: string, key: string) {
    this.#base = base;
    this.#key = key;
  }

  /**
   * The key comes from the environment or a file, never as an argument: every user of a machine sees those.
   * @throws {UsageError} if there is no key, or no URL
   */
  static async open({ url, keyFile }: ServiceOptions, env: EnvironmentVariables): Promise<ServiceClient> {
    const base = toBase(url ?? presence(env['STORE_PLATFORM_URL']) ?? defaultUrl);
    const key = keyFile === undefined ? env['STORE_PLATFORM_KEY'] : await readKey(keyFile);
    if (presence(key?.trim()) === undefined) {
      throw new UsageError(
        'An admin’s API key is needed: in STORE_PLATFORM_KEY, or in a file with --key-file',
      );
    }
    return new ServiceClient(base, key?.trim() ?? '');
  }

  get<T>(path: string): Promise<T> {
    return this.#ask('GET', path);
  }

  post<T>(path: string, body: object): Promise<T> {
    return this.#ask('POST', path, body);
  }

  /** @throws {Error} with a sentence for the person who gave the command */
  async #ask<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await this.#send(method, path, body);
    const text = await response.text();
    const answer = parseJson(text);
    if (response.ok && answer !== undefined) return answer as T;
    if (!isProblem(answer)) {
      throw new Error(`${this.#base} answered ${response.status} in words that are not the service’s`);
    }
    const { title, detail, code, requestId } = answer;
    throw new Error(`${title}: ${detail} (${code}, request ${requestId})`);
  }

  async #send(method: string, path: string, body: object | undefined): Promise<Response> {
    try {
      return await fetch(`${this.#base}${path}`, {
        method,
        headers: {
          Authorization: `Bearer ${this.#key}`,
          Accept: 'application/json',
          ...(body && { 'Content-Type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
        // the key is for this address and no other
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      });
    } catch (error) {
      throw new Error(`${this.#base} cannot be reached (${reasonOf(error)}): see --url`, { cause: error });
    }
  }
}

function toBase(text: string): string {
  const url = URL.parse(text);
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.search !== '') {
    throw new UsageError('The URL of the service must be like http://127.0.0.1:3000');
  }
  return url.href.replace(/(?<!\/)\/+$/, '');
}

async function readKey(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new Error(`The key cannot be read from ${path} (${reasonOf(error)})`, { cause: error });
  }
}

function presence(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isProblem(answer: unknown): answer is Problem {
  return typeof answer === 'object' && answer !== null && 'code' in answer && 'detail' in answer;
}

/** What fetch failed at is in the cause of its error. */
function reasonOf(error: unknown): string {
  const cause = typeof error === 'object' && error !== null && 'cause' in error ? error.cause : undefined;
  return codeOf(cause) ?? codeOf(error) ?? messageOf(cause ?? error);
}
