import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Chunks of one body that are taken in one round of the event loop, unless they have been read from the network already: a
 * body may come in chunks of one byte, each of which costs as much as a long one.
 */
const maxChunksPerRound = 256;

/** Why a body could not be had: it is longer than was allowed, or it ended too early. */
export type BodyFault = 'too_large' | 'incomplete';

/**
 * Hands over a body as it arrives, at a pace that leaves time for other connections.
 * @returns stops it; what arrives from then on is thrown away
 */
export function onBodyChunk(req: IncomingMessage, take: (chunk: Buffer) => void): () => void {
  let chunks = 0;
  const count = (chunk: Buffer): void => {
    take(chunk);
    chunks += 1;
    if (chunks !== maxChunksPerRound) return;
    holdForRound(req.socket, () => {
      chunks = 0;
    });
  };
  req.on('data', count);
  return () => {
    req.off('data', count);
  };
}

/** Reads no more from a connection in this round of the event loop. */
function holdForRound(socket: Socket, onNextRound: () => void): void {
  const hold = (): void => {
    socket.pause();
  };
  // Node resumes it for each chunk that is taken
  socket.on('resume', hold);
  hold();
  setImmediate(() => {
    onNextRound();
    socket.off('resume', hold);
    socket.resume();
  });
}

/**
 * Reads a whole body. What the client has sent before it closed its side of the connection counts.
 * @param maxBytes of more than that, nothing is kept
 */
export function readBodyBytes(req: IncomingMessage, maxBytes: number): Promise<Buffer | BodyFault> {
  // what closes it has been told already, and will not be again
  if (req.destroyed) return Promise.resolve('incomplete');
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const settle = (result: Buffer | BodyFault): void => {
      stop();
      req.off('end', finish).off('close', cut);
      resolve(result);
    };
    const finish = (): void => {
      settle(Buffer.concat(chunks, length));
    };
    const cut = (): void => {
      settle('incomplete');
    };
    const stop = onBodyChunk(req, (chunk) => {
      length += chunk.length;
      if (length > maxBytes) settle('too_large');
      else chunks.push(chunk);
    });
    req.once('end', finish).once('close', cut);
  });
}
