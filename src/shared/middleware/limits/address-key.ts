import type { Request } from 'express';
import { ipKeyGenerator } from 'express-rate-limit';

/** One customer of a network provider has at least that much of IPv6 for itself (RFC 6177). */
const ipv6PrefixBits = 64;

/**
 * Names the address that a request comes from, an IPv6 network as a whole; behind as many proxies as `TRUST_PROXY_HOPS`
 * says, the address that they name.
 */
export function addressKeyOf(req: Request): string {
  return toAddressKey(req.ip);
}

/** @param address undefined where the connection is gone already */
export function toAddressKey(address: string | undefined): string {
  return address === undefined ? 'unknown' : ipKeyGenerator(address, ipv6PrefixBits);
}
