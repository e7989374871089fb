import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from './clock.js';

/** An issued token. Only its hash is kept: neither the state file nor the ledger can leak a usable one. */
export const issuedTokenSchema = z.object({
  hash: z.string(),
  /** Counts tokens from 1; the ledger names tokens by it. */
  number: z.int().positive(),
  clientId: z.string(),
  expiresAtMs: z.number(),
  revoked: z.boolean(),
});
export type IssuedToken = z.infer<typeof issuedTokenSchema>;

/** An OAuth client of the platform. */
export interface OAuthClient {
  readonly clientId: string;
  readonly clientSecret: string;
}

export interface TokenStoreOptions {
  readonly clock: Clock;
  readonly clients: readonly OAuthClient[];
  readonly lifetimeSeconds: number;
  /** Called after each issue and revocation. */
  readonly onChange: () => void;
}

/** Issues bearer tokens and judges them (`platform-api.md`, Token). Older tokens stay valid until they expire or are revoked. */
export class TokenStore {
  readonly #clock: Clock;
  readonly #onChange: () => void;
  readonly #secrets: ReadonlyMap<string, string>;
  readonly #byHash = new Map<string, IssuedToken>();
  #issuedCount = 0;

  /** Life of tokens issued from now on, in seconds. */
  lifetimeSeconds: number;

  constructor(options: TokenStoreOptions) {
    this.#clock = options.clock;
    this.#onChange = options.onChange;
    this.#secrets = new Map(options.clients.map((client) => [client.clientId, client.clientSecret]));
    this.lifetimeSeconds = options.lifetimeSeconds;
  }

  hasClient(clientId: string): boolean {
    return this.#secrets.has(clientId);
  }

  /** A new token, or `null` if the client is unknown or the secret wrong. */
  issue(clientId: string, clientSecret: string): { accessToken: string; issued: IssuedToken } | null {
    if (this.#secrets.get(clientId) !== clientSecret) return null;
    this.#purge();
    const accessToken = randomBytes(24).toString('base64url');
    this.#issuedCount += 1;
    const issued: IssuedToken = {
      hash: hashOf(accessToken),
      number: this.#issuedCount,
      clientId,
      expiresAtMs: this.#clock.nowMs() + this.lifetimeSeconds * 1000,
      revoked: false,
    };
    this.#byHash.set(issued.hash, issued);
    this.#onChange();
    return { accessToken, issued };
  }

  /** Whose token the `Authorization` header carries (`null`: nobody's), and whether it is still good. */
  judge(authorization: string | undefined): { token: IssuedToken | null; valid: boolean } {
    const accessToken = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    const token = accessToken === undefined ? undefined : this.#byHash.get(hashOf(accessToken));
    if (token === undefined) return { token: null, valid: false };
    // A client taken out of the settings loses the tokens that a state file still holds.
    const valid = !token.revoked && token.expiresAtMs > this.#clock.nowMs() && this.hasClient(token.clientId);
    return { token, valid };
  }

  /** Revokes all tokens of the client, or of all clients; answers how many. */
  revoke(clientId?: string): number {
    let count = 0;
    for (const token of this.#byHash.values()) {
      if (token.revoked || (clientId !== undefined && token.clientId !== clientId)) continue;
      token.revoked = true;
      count += 1;
    }
    this.#onChange();
    return count;
  }

  snapshot(): IssuedToken[] {
    this.#purge();
    return [...this.#byHash.values()];
  }

  restore(tokens: readonly IssuedToken[]): void {
    for (const token of tokens) {
      this.#byHash.set(token.hash, { ...token });
      this.#issuedCount = Math.max(this.#issuedCount, token.number);
    }
  }

  /** Forgets tokens an hour after their end: until then the ledger can still say whose expired token was used. */
  #purge(): void {
    const beforeMs = this.#clock.nowMs() - 3_600_000;
    for (const [hash, token] of this.#byHash) if (token.expiresAtMs < beforeMs) this.#byHash.delete(hash);
  }
}

function hashOf(accessToken: string): string {
  return createHash('sha256').update(accessToken).digest('hex');
}
