const maxAnswerBytes = 256 * 1024;

/** An attacker on the way who could swap the keys could sign tokens. @throws {TypeError} */
export function assertTrustworthy(url: URL): void {
  const isLocal = ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLocal)) {
    throw new TypeError('An OpenID provider must be reached by https');
  }
}

/** @throws {Error} unless it answers 200 with JSON of a bounded size, and redirects nowhere */
export async function fetchJson(url: URL, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(url, { signal, redirect: 'error', headers: { Accept: 'application/json' } });
  if (!response.ok || !response.body) throw new Error(`The OpenID provider answers ${response.status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > maxAnswerBytes) throw new Error('The OpenID provider answers too much');
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}
