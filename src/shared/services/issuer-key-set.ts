import { createPublicKey } from 'node:crypto';
import type { JWK } from 'jose';
import { assertTrustworthy, fetchJson } from './issuer-request.js';

export interface FetchedKeySet {
  readonly usable: JWK[];
  /** Key ids of those that make no sense, or `?` where there is none. */
  readonly left: readonly string[];
}

/** More than any issuer signs with; each is looked at. */
const maxKeys = 200;
/** RFC 7518, section 3.3. */
const minRsaBits = 2048;
const understoodTypes: ReadonlySet<string> = new Set(['RSA', 'EC', 'OKP']);
const longestKeyId = 128;

/**
 * The keys that an OpenID provider publishes (OpenID Connect Discovery 1.0, section 4; RFC 7517). One that makes no sense
 * is left out, for it concerns no token that was signed with another.
 * @throws {Error} if they cannot be had, or none of them makes sense
 */
export async function fetchKeySet(issuer: string, signal: AbortSignal): Promise<FetchedKeySet> {
  const discovery = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const configuration = fieldsOf(await fetchJson(new URL(discovery), signal));
  if (configuration?.['issuer'] !== issuer || typeof configuration['jwks_uri'] !== 'string') {
    throw new Error('The OpenID configuration belongs to another issuer, or names no keys');
  }
  const keysUrl = new URL(configuration['jwks_uri']);
  assertTrustworthy(keysUrl);
  const keys = fieldsOf(await fetchJson(keysUrl, signal))?.['keys'];
  if (!Array.isArray(keys) || keys.length > maxKeys) throw new Error('The OpenID provider sends no key set');
  const usable = keys.filter(isUsable);
  if (usable.length === 0 && keys.length > 0) throw new Error('No key of the OpenID provider makes sense');
  const left = keys.filter((key) => !isUsable(key) && !isOfOtherKind(key));
  return { usable, left: left.map(keyIdOf) };
}

/** RFC 7517, section 5: keys of types that are not understood are ignored. */
function isOfOtherKind(value: unknown): boolean {
  const kty = fieldsOf(value)?.['kty'];
  return typeof kty === 'string' && !understoodTypes.has(kty);
}

function isUsable(value: unknown): value is JWK {
  const fields = fieldsOf(value);
  if (!fields) return false;
  try {
    const key = createPublicKey({ key: fields, format: 'jwk' });
    return key.asymmetricKeyType !== 'rsa' || (key.asymmetricKeyDetails?.modulusLength ?? 0) >= minRsaBits;
  } catch {
    // Node says what is wrong with it in many ways; for us there is one
    return false;
  }
}

function keyIdOf(value: unknown): string {
  const kid = fieldsOf(value)?.['kid'];
  return typeof kid === 'string' ? kid.slice(0, longestKeyId) : '?';
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
