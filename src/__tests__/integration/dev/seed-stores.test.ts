import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { seedStores, type SeedOptions } from '../../../dev/seed-stores.js';

interface Answer {
  status: number;
  body?: string;
  retryAfter?: string;
}

let server: Server;

/** An API that answers each request as `answer` says. */
async function startApi(answer: (code: string) => Answer): Promise<SeedOptions> {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { code } = JSON.parse(Buffer.concat(chunks).toString()) as { code: string };
      const { status, body, retryAfter } = answer(code);
      response.writeHead(status, retryAfter === undefined ? {} : { 'Retry-After': retryAfter }).end(body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, apiKey: 'key', count: 20 };
}

afterEach(() => {
  server.close();
  server.closeAllConnections();
});

describe('seeding', () => {
  it('creates each store once, and tells of each', async () => {
    const codes: string[] = [];
    const api = await startApi((code) => {
      codes.push(code);
      return { status: 201, body: '{}' };
    });
    let told = 0;
    const result = await seedStores({ ...api, onStore: () => (told += 1) });
    expect(result).toEqual({ created: 20, skipped: 0 });
    expect(new Set(codes).size).toBe(20);
    expect(told).toBe(20);
  });

  it('leaves stores alone that are there', async () => {
    const api = await startApi((code) =>
      code.endsWith('3') ? { status: 409, body: '{"code":"store_code_taken"}' } : { status: 201 },
    );
    expect(await seedStores(api)).toEqual({ created: 18, skipped: 2 });
  });

  it('comes back as told when the API is busy', async () => {
    const seen = new Map<string, number>();
    const api = await startApi((code) => {
      const attempt = (seen.get(code) ?? 0) + 1;
      seen.set(code, attempt);
      return attempt === 1 ? { status: code.endsWith('1') ? 429 : 503, retryAfter: '0' } : { status: 201 };
    });
    expect(await seedStores(api)).toEqual({ created: 20, skipped: 0 });
  });

  it('gives up when the API stays busy', async () => {
    const api = await startApi(() => ({ status: 503, body: 'overloaded', retryAfter: '0' }));
    await expect(seedStores(api)).rejects.toThrow(/Store [A-Z]{3}-\d+ was refused: overloaded/);
  });

  it('ends with the words of the API when it refuses a store', async () => {
    const api = await startApi(() => ({ status: 422, body: '{"code":"invalid"}' }));
    await expect(seedStores(api)).rejects.toThrow('{"code":"invalid"}');
  });

  it('ends when it is stopped, also while waiting for a busy API', async () => {
    const stop = new AbortController();
    const api = await startApi(() => {
      setImmediate(() => {
        stop.abort();
      });
      return { status: 503 };
    });
    await expect(seedStores({ ...api, stop: stop.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });
});
