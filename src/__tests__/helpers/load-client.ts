import { connect } from 'node:net';

/** What a load client is told to do. */
export interface LoadOrder {
  readonly port: number;
  /** Whole requests, as they go over the wire; each connection sends them in turn, the next when one is answered. */
  readonly requests: readonly string[];
  readonly connections: number;
  readonly durationMs: number;
}

export interface LoadResult {
  /** Answers by their status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Answers that said they came from memory. */
  readonly stale: number;
  readonly tookMs: number;
}

const endOfHead = Buffer.from('\r\n\r\n');

/** Keeps connections busy for a while. Reads no more of an answer than it must, for it shares the machine with the server. */
function run({ port, requests, connections, durationMs }: LoadOrder): Promise<LoadResult> {
  const statuses: Record<string, number> = {};
  let stale = 0;
  const startedAtMs = performance.now();
  const isOver = (): boolean => performance.now() - startedAtMs >= durationMs;

  const keepBusy = (first: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      socket.setNoDelay(true);
      let turn = first;
      let pending = Buffer.alloc(0);
      const send = (): void => {
        socket.write(requests[turn % requests.length] ?? '');
        turn += 1;
      };
      const take = (): boolean => {
        const headEnd = pending.indexOf(endOfHead);
        if (headEnd < 0) return false;
        const head = pending.toString('latin1', 0, headEnd);
        const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
        const end = headEnd + endOfHead.length + length;
        if (pending.length < end) return false;
        pending = pending.subarray(end);
        const status = head.slice(9, 12);
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (head.includes('\r\nCache-Status: ')) stale += 1;
        return true;
      };
      socket.once('connect', send);
      socket.once('error', reject);
      socket.once('close', () => {
        if (isOver()) resolve();
        else reject(new Error('The server has closed a connection'));
      });
      socket.on('data', (bytes) => {
        pending = pending.length === 0 ? bytes : Buffer.concat([pending, bytes]);
        if (!take()) return;
        if (isOver()) socket.end();
        else send();
      });
    });

  return Promise.all(Array.from({ length: connections }, (_, index) => keepBusy(index))).then(() => ({
    statuses,
    stale,
    tookMs: performance.now() - startedAtMs,
  }));
}

process.on('message', (order: LoadOrder) => {
  run(order).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exitCode = 1;
      process.disconnect();
    },
  );
});
