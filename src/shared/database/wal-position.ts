/** A place in the write-ahead log. Positions of different timelines cannot be compared beyond the point of the fork. */
export interface WalPosition {
  readonly timeline: number;
  /** Bytes since 0/0. */
  readonly lsn: bigint;
}

/** Whether what stands at `wanted` is surely contained in a node that is at `actual`. */
export function hasReached(actual: WalPosition, wanted: WalPosition): boolean {
  return actual.timeline >= wanted.timeline && actual.lsn >= wanted.lsn;
}

/** The later of two positions of one caller. */
export function laterOf(a: WalPosition, b: WalPosition): WalPosition {
  if (a.timeline !== b.timeline) return a.timeline > b.timeline ? a : b;
  return a.lsn > b.lsn ? a : b;
}

const tokenPattern = /^[A-Za-z0-9_-]{16}$/;

/**
 * The position as a token for callers: 16 characters of base64url, opaque to them. It carries no signature, for a
 * made-up one only sends its maker's own reads to the primary.
 */
export function encodePosition({ timeline, lsn }: WalPosition): string {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(timeline, 0);
  bytes.writeBigUInt64BE(lsn, 4);
  return bytes.toString('base64url');
}

/** The position in a token; undefined if it is none of ours. */
export function decodePosition(token: string): WalPosition | undefined {
  if (!tokenPattern.test(token)) return undefined;
  const bytes = Buffer.from(token, 'base64url');
  return { timeline: bytes.readUInt32BE(0), lsn: bytes.readBigUInt64BE(4) };
}
