import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type BodyFault, onBodyChunk, readBodyBytes } from '../../../shared/middleware/body-bytes.js';
import { RawClient } from '../../helpers/raw-client.js';

const servers: Server[] = [];
const clients: RawClient[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

const head = 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';
const end = '0\r\n\r\n';

/** What `look` makes of the request that these bytes are. */
async function lookedAt<T>(bytes: string, look: (req: IncomingMessage) => Promise<T>): Promise<T> {
  const server = createServer();
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = await RawClient.connect(`http://127.0.0.1:${port}`);
  clients.push(client);
  const result = new Promise<T>((resolve, reject) => {
    server.once('request', (req) => {
      look(req).then(resolve, reject);
    });
  });
  client.send(bytes);
  return result;
}

const read =
  (maxBytes: number) =>
  (req: IncomingMessage): Promise<Buffer | BodyFault> =>
    readBodyBytes(req, maxBytes);

describe('the bytes of a body', () => {
  it('are those of all its chunks', async () => {
    const body = await lookedAt(`${head}1\r\na\r\n2\r\nbc\r\n${end}`, read(3));
    expect(body).toEqual(Buffer.from('abc'));
  });

  it('may be none', async () => {
    expect(await lookedAt(head + end, read(0))).toEqual(Buffer.alloc(0));
  });

  it('are too many as soon as there is one too many, whatever is still to come', async () => {
    expect(await lookedAt(`${head}1\r\na\r\n1\r\nb\r\n`, read(1))).toBe('too_large');
  });

  it('are incomplete if the connection is gone before their end', async () => {
    const body = await lookedAt(`${head}1\r\na\r\n`, (req) => {
      const reading = readBodyBytes(req, 10);
      clients.at(-1)?.socket.resetAndDestroy();
      return reading;
    });
    expect(body).toBe('incomplete');
  });

  it('leave time for other connections, however small the chunks are', async () => {
    const chunks = 200_000;
    /** All of what is read of a connection at once. */
    const ofOneRead = Math.ceil((64 * 1024) / '1\r\na\r\n'.length);
    const most = await lookedAt(head + '1\r\na\r\n'.repeat(chunks) + end, async (req) => {
      let mostInRound = 0;
      let inRound = 0;
      onBodyChunk(req, () => {
        if (inRound === 0) {
          setImmediate(() => {
            mostInRound = Math.max(mostInRound, inRound);
            inRound = 0;
          });
        }
        inRound += 1;
      });
      await once(req, 'end');
      return Math.max(mostInRound, inRound);
    });
    expect(most).toBeLessThanOrEqual(2 * ofOneRead);
  });
});
