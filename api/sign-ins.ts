import { hkdfSync } from 'node:crypto';
import { decodeProtectedHeader, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { externalId } from '../domain/identifiers.js';
import { role } from '../domain/sign-in.js';
import type { SignInWay } from '../domain/sign-in.js';
import { isKey } from '../http/bearer-key.js';
import { unauthenticated } from './unauthenticated.js';
import type { Credentials } from './credentials.js';
import type { Person } from './caller.js';
import { isJwt } from './token-verifier.js';
import type { TokenVerifier } from './token-verifier.js';

/** How long a sign-in by key lasts, s: a shift. */
const BY_KEY_SECONDS = 12 * 60 * 60;

/** `typ` of what a sign-in by key makes (RFC 8725, 3.11): no token of an identity provider has it. */
const TYPE = 'earshot-sign-in+jwt';

const claims = z.object({ sub: externalId, roles: z.array(role), exp: z.number() });

/** Somebody who has just signed in. */
export interface SignedIn {
  readonly person: Person;
  /** What tells them from then on. */
  readonly cookie: string;
  /** How long it does, s. */
  readonly maxAgeSeconds: number;
}

/**
 * Sign-ins of people in browsers. Nothing is kept of them here: the cookie says it all, so that any replica takes it, after a
 * restart too. By key it is signed with a key that is made from the API key, with which it ends; by token it is the token.
 */
export class SignIns {
  readonly #isApiKey: (given: string) => boolean;
  readonly #signingKey: Uint8Array | undefined;
  readonly #tokens: TokenVerifier | undefined;
  readonly #now: () => number;

  /** @param now ms since the epoch, by default the clock */
  constructor({ apiKey, tokens }: Credentials, now = () => Date.now()) {
    this.#isApiKey = apiKey === undefined ? () => false : isKey(apiKey);
    // The API key itself signs nothing, so that no signature is of use elsewhere (RFC 5869).
    this.#signingKey =
      apiKey === undefined ? undefined : new Uint8Array(hkdfSync('sha256', apiKey, '', 'earshot sign-in 1', 32));
    this.#tokens = tokens;
    this.#now = now;
  }

  /** The ways that there are. */
  get ways(): SignInWay[] {
    return [
      ...(this.#signingKey === undefined ? [] : (['key'] as const)),
      ...(this.#tokens === undefined ? [] : (['token'] as const)),
    ];
  }

  /** @throws {Problem} `authentication.required` */
  async byKey(apiKey: string, supervisorId: string): Promise<SignedIn> {
    if (this.#signingKey === undefined || !this.#isApiKey(apiKey)) {
      throw unauthenticated('That is not the API key of this deployment.', 'Bearer');
    }
    const exp = Math.floor(this.#now() / 1_000) + BY_KEY_SECONDS;
    const cookie = await new SignJWT({ roles: ['supervisor'] })
      .setProtectedHeader({ alg: 'HS256', typ: TYPE })
      .setSubject(supervisorId)
      .setExpirationTime(exp)
      .sign(this.#signingKey);
    const person = { kind: 'person', id: supervisorId, roles: ['supervisor'], untilMs: exp * 1_000 } as const;
    return { person, cookie, maxAgeSeconds: BY_KEY_SECONDS };
  }

  /** @throws {Problem} `authentication.required`, or `authentication.unavailable` while the token can't be checked */
  async byToken(token: string): Promise<SignedIn> {
    const person = await this.#verify(token);
    const maxAgeSeconds = Math.floor((person.untilMs - this.#now()) / 1_000);
    // Clocks may differ; a browser's would end it at once.
    if (maxAgeSeconds <= 0) throw unauthenticated('The token has expired.', 'Bearer error="invalid_token"');
    return { person, cookie: token, maxAgeSeconds };
  }

  /**
   * Whose cookie it is.
   * @throws {Problem} `authentication.required`, or `authentication.unavailable` while the token in it can't be checked
   */
  async personOf(cookie: string): Promise<Person> {
    if (!isSignInByKey(cookie)) return this.#verify(cookie);
    try {
      if (this.#signingKey === undefined) throw new Error('no key could have made it');
      const { payload } = await jwtVerify(cookie, this.#signingKey, {
        algorithms: ['HS256'],
        typ: TYPE,
        currentDate: new Date(this.#now()),
      });
      const { sub, roles, exp } = claims.parse(payload);
      return { kind: 'person', id: sub, roles, untilMs: exp * 1_000 };
    } catch {
      throw unauthenticated('It has expired, or the API key has changed since.', 'Bearer');
    }
  }

  #verify(token: string): Promise<Person> {
    if (this.#tokens === undefined) {
      throw unauthenticated('Nobody signs in by a token here: AUTH_JWKS_URL is not set.', 'Bearer');
    }
    if (!isJwt(token)) throw unauthenticated('That is no token (JWT).', 'Bearer error="invalid_token"');
    return this.#tokens.verify(token);
  }
}

function isSignInByKey(cookie: string): boolean {
  try {
    return isJwt(cookie) && decodeProtectedHeader(cookie).typ === TYPE;
  } catch {
    return false;
  }
}
