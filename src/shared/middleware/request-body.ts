import type { IncomingMessage, ServerResponse } from 'node:http';

const awaited = new WeakSet<IncomingMessage>();

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
