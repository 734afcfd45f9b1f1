/** What is wrong with a server's certificate, and what to do about it; undefined for a code that is not about one. */
export interface TlsFailure {
  readonly reason: string;
  readonly cure: 'authority' | 'name' | 'time' | 'protocol';
}

/** Names that OpenSSL and Node give to what they refuse (https://nodejs.org/api/tls.html#x509-certificate-error-codes). */
export function tlsFailureOf(code: string): TlsFailure | undefined {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') {
    return { reason: 'its certificate is for another host name', cure: 'name' };
  }
  if (code === 'CERT_HAS_EXPIRED') return { reason: 'its certificate has expired', cure: 'time' };
  if (code === 'CERT_NOT_YET_VALID') return { reason: 'its certificate is not valid yet', cure: 'time' };
  if (/^(CERT_.+|.*SELF_SIGNED_CERT.*|UNABLE_TO_.+|INVALID_CA)$/.test(code)) {
    return { reason: 'its certificate comes from an authority that is not trusted', cure: 'authority' };
  }
  if (/^(EPROTO|ERR_SSL_.+|ERR_TLS_.+)$/.test(code)) {
    return { reason: 'it does not speak TLS as it is asked to', cure: 'protocol' };
  }
  return undefined;
}
