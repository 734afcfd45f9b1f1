import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { toAddressKey } from '../middleware/limits/address-key.js';

/**
 * Bounds the connections of one address, an IPv6 network counting as one.
 * @param refuse ends a connection that is one too many
 */
export function limitConnectionsPerAddress(
  server: Server,
  max: number,
  refuse: (socket: Socket) => void,
): void {
  const counts = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const address = toAddressKey(socket.remoteAddress);
    const count = (counts.get(address) ?? 0) + 1;
    counts.set(address, count);
    socket.once('close', () => {
      const left = (counts.get(address) ?? 1) - 1;
      if (left > 0) counts.set(address, left);
      else counts.delete(address);
    });
    if (count > max) refuse(socket);
  });
}
