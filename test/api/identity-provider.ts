import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { CryptoKey } from 'jose';
import { TokenVerifier } from '../../api/token-verifier.js';

export const ISSUER = 'https://id.example.com/';
export const AUDIENCE = 'earshot';

interface TokenParts {
  readonly sub?: string;
  readonly roles?: unknown;
  readonly issuer?: string;
  readonly audience?: string;
  readonly expiresInSeconds?: number;
  readonly typ?: string;
  /** @default the newest */
  readonly kid?: string;
}

/** An identity provider with real keys, whose answers can fail. */
export class IdentityProvider implements AsyncDisposable {
  readonly #keys = new Map<string, { readonly alg: string; readonly privateKey: CryptoKey; readonly jwk: object }>();
  readonly #server = createServer((_request, response) => {
    this.asked += 1;
    response.writeHead(this.status, { 'Content-Type': 'application/json' }).end(this.body());
  });
  asked = 0;
  status = 200;
  body = (): string => JSON.stringify({ keys: [...this.#keys.values()].map(({ jwk }) => jwk) });

  static async start(): Promise<IdentityProvider> {
    const provider = new IdentityProvider();
    await provider.addKey('key-1', 'ES256');
    await new Promise<void>((resolve) => provider.#server.listen(0, '127.0.0.1', resolve));
    return provider;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('it does not listen');
    return `http://127.0.0.1:${address.port}/jwks.json`;
  }

  /** What lets its people into an API. */
  verifier(options: ConstructorParameters<typeof TokenVerifier>[1] = {}): TokenVerifier {
    return new TokenVerifier({ jwksUrl: this.url, issuer: ISSUER, audience: AUDIENCE }, options);
  }

  async addKey(kid: string, alg: string): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    this.#keys.set(kid, { alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } });
  }

  withdrawKey(kid: string): void {
    this.#keys.delete(kid);
  }

  async token({ sub = 'anna', roles = ['supervisor'], ...parts }: TokenParts = {}): Promise<string> {
    const kid = parts.kid ?? [...this.#keys.keys()].at(-1) ?? '';
    const key = this.#keys.get(kid);
    if (key === undefined) throw new Error(`there is no key ${kid}`);
    return new SignJWT({ roles })
      .setProtectedHeader({ alg: key.alg, kid, ...(parts.typ === undefined ? {} : { typ: parts.typ }) })
      .setSubject(sub)
      .setIssuer(parts.issuer ?? ISSUER)
      .setAudience(parts.audience ?? AUDIENCE)
      .setExpirationTime(Math.floor(Date.now() / 1_000) + (parts.expiresInSeconds ?? 300))
      .sign(key.privateKey);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
