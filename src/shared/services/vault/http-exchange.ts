import type { IncomingMessage, RequestOptions } from 'node:http';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { VaultError } from './vault-error.js';
import type { VaultFailure } from './vault-error.js';

/** One request, ready to be sent. */
export interface HttpExchange {
  readonly operation: string;
  readonly url: URL;
  readonly options: RequestOptions;
  readonly body: string | undefined;
  /** From the first byte sent to the last byte received. */
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
  readonly signal: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

/**
 * Sends one request and reads the whole answer, or gives up: every way to fail destroys the socket.
 * @throws {VaultError} `unreachable`, `timeout`, `cancelled` or `oversized`
 */
export function exchange(call: HttpExchange): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const { operation, signal, url } = call;
    if (signal?.aborted) {
      reject(new VaultError(operation, 'cancelled'));
      return;
    }
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = send(url, call.options);

    const settle = (): void => {
      clearTimeout(deadline);
      signal?.removeEventListener('abort', cancel);
    };
    const fail = (failure: VaultFailure, reason?: string): void => {
      settle();
      reject(new VaultError(operation, failure, reason === undefined ? {} : { reason }));
      request.destroy();
    };
    const cancel = (): void => {
      fail('cancelled');
    };
    const deadline = setTimeout(() => {
      fail('timeout');
    }, call.timeoutMs);
    signal?.addEventListener('abort', cancel, { once: true });

    request.on('error', (error) => {
      fail('unreachable', codeOf(error));
    });
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > call.maxResponseBytes) fail('oversized');
        else chunks.push(chunk);
      });
      response.on('error', (error) => {
        fail('unreachable', codeOf(error));
      });
      response.on('end', () => {
        settle();
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString('utf8'),
        });
      });
    });
    request.end(call.body);
  });
}

/** The system's code of an error; nothing else of it, since messages may quote addresses or payloads. */
function codeOf(error: Error): string | undefined {
  const code = 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[A-Z0-9_]{2,48}$/.test(code) ? code : undefined;
}
