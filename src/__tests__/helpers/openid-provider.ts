import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;
export type Answer = (response: ServerResponse) => void;

/** What tokens of the provider are meant for. */
export const audience = 'store-platform';

/** An OpenID provider with real keys on a real socket; `answers` replaces what it says at a path. */
export class OpenIdProvider {
  readonly requests: string[] = [];
  readonly answers = new Map<string, Answer>();
  readonly keys: { kid: string; pair: KeyPair }[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const path = request.url ?? '';
      this.requests.push(path);
      const answer = this.answers.get(path);
      if (answer) answer(response);
      else void this.#answer(path, response);
    });
  }

  async start(): Promise<this> {
    await this.addKey('first');
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get issuer(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async addKey(kid: string): Promise<void> {
    this.keys.push({ kid, pair: await generateKeyPair('ES256', { extractable: true }) });
  }

  token(
    claims: Record<string, unknown> = {},
    change: (jwt: SignJWT) => SignJWT = (jwt) => jwt,
    keyIndex = 0,
  ) {
    const key = this.keys.at(keyIndex);
    if (!key) throw new Error('There is no such key');
    const jwt = new SignJWT({ role: 'operator', ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: key.kid })
      .setIssuer(this.issuer)
      .setAudience(audience)
      .setSubject('erika')
      .setExpirationTime('5m');
    return change(jwt).sign(key.pair.privateKey);
  }

  async #answer(path: string, response: ServerResponse): Promise<void> {
    if (path === '/.well-known/openid-configuration') {
      response.end(JSON.stringify({ issuer: this.issuer, jwks_uri: `${this.issuer}/keys` }));
      return;
    }
    const keys = await Promise.all(
      this.keys.map(async ({ kid, pair }) => ({ ...(await exportJWK(pair.publicKey)), kid, alg: 'ES256' })),
    );
    response.end(JSON.stringify({ keys }));
  }
}
