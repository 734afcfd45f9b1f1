import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { waitUntil } from '../../../dev/wait-until.js';
import type { Principal } from '../../../shared/services/authenticator.js';
import { type ListeningApp, listenWithApp } from '../../helpers/listening-app.js';
import { RawClient } from '../../helpers/raw-client.js';
import { rawRequest } from '../../helpers/raw-http.js';

const soon = { timeoutMs: 10_000 };
const operator: Principal = { id: 'key:operator', role: 'operator' };
const headers = { Authorization: 'Bearer key', 'Content-Type': 'application/json', Connection: 'keep-alive' };

let app: ListeningApp;
let client: RawClient;

afterEach(async () => {
  client.close();
  await app.close();
});

/** Sends a request of a caller about whom it is decided only when the client has closed its side of the connection. */
async function answerTo(request: string): Promise<string> {
  let end: Promise<unknown> = Promise.reject(new Error('Nothing was connected'));
  end.catch(() => undefined);
  app = await listenWithApp({ authenticator: { authenticate: () => end.then(() => operator) } });
  app.server.on('connection', (socket: Socket) => {
    end = once(socket, 'end');
  });
  client = (await RawClient.connect(app.url)).read();
  client.send(request).endSending();
  await waitUntil('the end', () => client.isClosed || client.socket.readableEnded, soon);
  return client.text;
}

describe('a body that is read only after its client has closed its side', () => {
  it('is read as it was sent', async () => {
    const body = '{"code":1}';
    const length = { 'Content-Length': String(body.length) };
    const answer = await answerTo(rawRequest('POST /api/stores HTTP/1.1', { ...headers, ...length }, body));
    expect(answer).toMatch(/^HTTP\/1\.1 422 /);
    expect(answer).toContain('"#/code"');
  });

  it('is read as it was sent, in chunks', async () => {
    const chunked = { ...headers, 'Transfer-Encoding': 'chunked' };
    const answer = await answerTo(
      rawRequest('POST /api/stores HTTP/1.1', chunked, 'a\r\n{"code":1}\r\n0\r\n\r\n'),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 422 /);
  });

  it('is none if it has no byte', async () => {
    const chunked = { ...headers, 'Transfer-Encoding': 'chunked' };
    const answer = await answerTo(rawRequest('GET /api/stores?limit=none HTTP/1.1', chunked, '0\r\n\r\n'));
    expect(answer).toContain('"invalid_parameter"');
  });
});
