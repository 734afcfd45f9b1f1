import type { IncomingMessage, ServerResponse } from 'node:http';

const awaited = new WeakSet<IncomingMessage>();

/** The connection ended before the body did. */
export class IncompleteBodyError extends Error {
  override readonly name = 'IncompleteBodyError';
}

/** Whether the request says that a body comes with it; one of no bytes may come in chunks (RFC 9112, section 6.3). */
export function hasBodyHeaders({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Notes that the client sends its body only when it is told to go on (RFC 9110, section 10.1.1). */
export function noteAwaitedContinue(req: IncomingMessage): void {
  awaited.add(req);
}

/** Tells a client that waits with its body to send it: to be called when all that can be refused without it was checked. */
export function askForBody(req: IncomingMessage, res: ServerResponse): void {
  if (awaited.delete(req)) res.writeContinue();
}

/**
 * Reads a body to its end. Express's own reader takes a request for one that was read already if its client has closed its
 * side of the connection meanwhile, though the body is there.
 * @returns undefined as soon as there are more than `maxBytes`; what follows is left unread
 * @throws {IncompleteBodyError}
 */
export function readBody(req: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const leave = (): void => {
      req.off('data', onData).off('end', onEnd).off('close', onClose);
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes <= maxBytes) {
        chunks.push(chunk);
        return;
      }
      leave();
      req.pause();
      resolve(undefined);
    };
    const onEnd = (): void => {
      leave();
      resolve(Buffer.concat(chunks));
    };
    const onClose = (): void => {
      leave();
      reject(new IncompleteBodyError('The body ended before it was whole'));
    };
    if (req.destroyed) onClose();
    else req.on('data', onData).on('end', onEnd).on('close', onClose);
  });
}
