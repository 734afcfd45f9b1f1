import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export interface RequestTurnsOptions {
  readonly listener: RequestListener;
  /** Requests of one connection that may wait for their turn before no more bytes are read from it. */
  readonly maxWaiting?: number;
  /** Requests of all connections that may wait; a connection that brings more, and has more than `maxWaiting`, is dropped. */
  readonly maxWaitingInAll?: number;
  /** For how long a client may read nothing of an answer that is there for it, in ms; then its connection is dropped. */
  readonly maxUnreadMs?: number;
  /** Is told of every connection that is dropped. */
  readonly onDrop?: (reason: DropReason, socket: Socket) => void;
}

export type DropReason = 'unread_answer' | 'too_many_pipelined';

interface Connection {
  /** What comes when the turn is over. */
  readonly waiting: (() => void)[];
  /** Of the request that came last, whether it has had its turn or not. */
  last: ServerResponse;
  isBusy: boolean;
  isHeld: boolean;
  isWatched: boolean;
  /** Called when the answer of this turn has gone out, or cannot. */
  readonly onClose: () => void;
  /** Called when the whole answer of this turn was handed to the connection. */
  readonly onAnswer: () => void;
}

const defaultMaxWaiting = 16;
const defaultMaxWaitingInAll = 8_000;
const defaultMaxUnreadMs = 10_000;

/**
 * Has the requests of one connection answered one after the other, although a client may send many at once (RFC 9112,
 * section 9.3.2). The next has its turn when the answer before it has left the process: a client that reads nothing gets
 * no more than one answer made for it. And each turn of a queue comes in a later round of the event loop, so that a
 * connection with thousands of requests and one with a single request wait for each other equally long.
 */
export class RequestTurns {
  readonly #listener: RequestListener;
  readonly #maxWaiting: number;
  readonly #maxWaitingInAll: number;
  readonly #maxUnreadMs: number;
  readonly #onDrop: (reason: DropReason, socket: Socket) => void;
  readonly #connections = new WeakMap<Duplex, Connection>();
  #waitingInAll = 0;

  constructor({
    listener,
    maxWaiting = defaultMaxWaiting,
    maxWaitingInAll = defaultMaxWaitingInAll,
    maxUnreadMs = defaultMaxUnreadMs,
    onDrop = () => undefined,
  }: RequestTurnsOptions) {
    this.#listener = listener;
    this.#maxWaiting = maxWaiting;
    this.#maxWaitingInAll = maxWaitingInAll;
    this.#maxUnreadMs = maxUnreadMs;
    this.#onDrop = onDrop;
  }

  /** The answer that is made to a request which has not arrived as a whole. */
  unfinished(socket: Duplex): ServerResponse | undefined {
    const connection = this.#connections.get(socket);
    if (connection?.isBusy !== true || connection.waiting.length > 0) return undefined;
    return connection.last.req.complete ? undefined : connection.last;
  }

  /**
   * Has a connection, of which no more can be read, ended when all that arrived before as a whole is answered. A request that
   * waits for its turn and lacks its end gets no answer: the rest would never come.
   */
  endAfter(socket: Duplex, end: () => void): void {
    const connection = this.#connections.get(socket);
    if (connection?.isBusy !== true) {
      end();
      return;
    }
    const { waiting, last } = connection;
    if (waiting.length > 0 && !last.req.complete) waiting[waiting.length - 1] = end;
    else {
      waiting.push(end);
      this.#waitingInAll += 1;
    }
  }

  take(req: IncomingMessage, res: ServerResponse): void {
    const { socket } = req;
    // its connection was refused: the client would not get the answer
    if (!socket.writable) return;
    const connection = this.#connections.get(socket) ?? this.#open(socket, res);
    connection.last = res;
    if (!connection.isBusy) {
      connection.isBusy = true;
      this.#begin(connection, req, res);
      return;
    }
    connection.waiting.push(() => {
      this.#begin(connection, req, res);
    });
    this.#waitingInAll += 1;
    if (connection.waiting.length <= this.#maxWaiting) return;
    if (this.#waitingInAll > this.#maxWaitingInAll) {
      this.#drop('too_many_pipelined', socket);
      return;
    }
    connection.isHeld = true;
    socket.pause();
  }

  #open(socket: Socket, res: ServerResponse): Connection {
    const connection: Connection = {
      waiting: [],
      last: res,
      isBusy: false,
      isHeld: false,
      isWatched: false,
      onClose: () => {
        this.#next(connection, socket);
      },
      onAnswer: () => {
        // Node ends a connection whose time is over, and counts every byte that the client takes as a beginning of it
        if (socket.writableLength > 0) socket.setTimeout(this.#maxUnreadMs);
        connection.isWatched = socket.writableLength > 0;
      },
    };
    this.#connections.set(socket, connection);
    // Node reads on by itself when a request is whole
    socket.on('resume', () => {
      if (connection.isHeld) socket.pause();
    });
    socket.on('timeout', () => {
      if (connection.isWatched) this.#onDrop('unread_answer', socket);
    });
    socket.once('close', () => {
      this.#waitingInAll -= connection.waiting.length;
      connection.waiting.length = 0;
    });
    return connection;
  }

  #begin({ onClose, onAnswer }: Connection, req: IncomingMessage, res: ServerResponse): void {
    res.once('close', onClose);
    res.once('prefinish', onAnswer);
    this.#listener(req, res);
  }

  #next(connection: Connection, socket: Socket): void {
    const following = connection.waiting.shift();
    if (!following) {
      connection.isBusy = false;
      connection.isWatched = false;
      return;
    }
    this.#waitingInAll -= 1;
    if (connection.isWatched) {
      connection.isWatched = false;
      socket.setTimeout(0);
    }
    if (connection.isHeld && connection.waiting.length === 0) {
      connection.isHeld = false;
      socket.resume();
    }
    setImmediate(() => {
      if (!socket.destroyed) following();
    });
  }

  #drop(reason: DropReason, socket: Socket): void {
    if (socket.destroyed) return;
    this.#onDrop(reason, socket);
    socket.destroy();
  }
}
