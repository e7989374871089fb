import { createRemoteJWKSet, customFetch, errors, jwtVerify } from 'jose';
import type { JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { externalId } from '../domain/identifiers.js';
import { unauthenticated } from './unauthenticated.js';
import { ROLES, SERVICE_ACTOR } from './caller.js';
import type { Person } from './caller.js';
import { Problem } from './problem.js';

/** What the identity provider's tokens must be (RFC 9068, RFC 8725). */
export interface TokenSettings {
  /** Where its public keys are. */
  readonly jwksUrl: string;
  /** `iss` of every token. */
  readonly issuer: string;
  /** One of the `aud` of every token. */
  readonly audience: string;
}

interface TokenVerifierOptions {
  /** Told of each time that the keys could not be had. @default nobody */
  readonly onTrouble?: (error: unknown) => void;
  /** Monotonic, ms. @default `performance.now` */
  readonly now?: () => number;
}

/** Signatures that only the holder of a private key can make: a shared secret could be forged by whoever checks it. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

/** How far the clocks may differ, s. */
const CLOCK_TOLERANCE_S = 30;

/** Older keys, ms, are fetched again beside the request that noticed it. */
const REFRESH_AFTER_MS = 10 * 60_000;

/** Older keys, ms, are fetched before anybody is let in by them: nobody came for a while, and one may have been withdrawn. */
const OVERDUE_AFTER_MS = 11 * 60_000;

/** Older keys, ms, are believed no more, though the provider may be down: one of them may have been withdrawn meanwhile. */
const BELIEVED_MS = 60 * 60_000;

/** A key that is not known makes a fetch, and so does every one after so long, ms: rotation is noticed, and nobody can make a storm. */
const UNKNOWN_KEY_PAUSE_MS = 10_000;

/** Pause after a fetch that failed, ms; who comes meanwhile is told so at once. */
const PAUSE_AFTER_FAILURE_MS = 1_000;

const FETCH_LIMIT_MS = 4_000;

/** Longest answer taken, bytes. */
const KEYS_LIMIT = 256 * 1_024;

const claims = z.object({
  // The audit trail could not tell such a person from software.
  sub: externalId.refine((sub) => sub !== SERVICE_ACTOR, 'is how software is named'),
  exp: z.number(),
  // What else the provider gives roles for is none of ours.
  roles: z.array(z.unknown()).default([]),
});

/** Tells people by their tokens. Keys are fetched when a token first needs them: the provider may be down as the API starts. */
export class TokenVerifier {
  readonly #settings: TokenSettings;
  readonly #onTrouble: (error: unknown) => void;
  readonly #now: () => number;
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;
  #fetchedAtMs = -Infinity;
  #failedAtMs = -Infinity;

  constructor(
    settings: TokenSettings,
    { onTrouble = () => undefined, now = () => performance.now() }: TokenVerifierOptions = {},
  ) {
    this.#settings = settings;
    this.#onTrouble = onTrouble;
    this.#now = now;
    this.#keys = createRemoteJWKSet(new URL(settings.jwksUrl), {
      timeoutDuration: FETCH_LIMIT_MS,
      cooldownDuration: UNKNOWN_KEY_PAUSE_MS,
      // How long they are good for is decided here.
      cacheMaxAge: Infinity,
      [customFetch]: (url, options) => this.#fetch(url, options),
    });
  }

  /**
   * The person whose token it is.
   * @throws {Problem} `authentication.required`, or `authentication.unavailable` while the keys can't be had
   */
  async verify(token: string): Promise<Person> {
    const { issuer, audience } = this.#settings;
    try {
      const { payload, protectedHeader } = await jwtVerify(token, this.#keyFor, {
        algorithms: ALGORITHMS,
        issuer,
        audience,
        clockTolerance: CLOCK_TOLERANCE_S,
        requiredClaims: ['exp', 'sub'],
      });
      if (!isAccessToken(protectedHeader.typ)) throw invalid('it is of another type');
      const { sub, exp, roles } = parsedClaims(payload);
      return { kind: 'person', id: sub, roles: ROLES.filter((role) => roles.includes(role)), untilMs: exp * 1_000 };
    } catch (error) {
      throw error instanceof errors.JOSEError ? invalid(whatIsWrong(error)) : error;
    }
  }

  readonly #keyFor: JWTVerifyGetKey = async (header, token) => {
    await this.#freshKeys();
    try {
      return await this.#keys(header, token);
    } catch (error) {
      // It was not among them, and they could not be fetched again.
      if (isAboutToken(error)) throw error;
      throw unavailable(error);
    }
  };

  async #freshKeys(): Promise<void> {
    const ageMs = this.#now() - this.#fetchedAtMs;
    if (ageMs < REFRESH_AFTER_MS) return;
    // However many ask, it is fetched once.
    const fetched = this.#keys.reload().catch((error: unknown) => Promise.reject(unavailable(error)));
    if (ageMs >= BELIEVED_MS) return fetched;
    const attempt = fetched.catch(() => undefined);
    // Nobody waits for keys that were just due, nor for a provider that is known to be away.
    const isAway = this.#failedAtMs > this.#fetchedAtMs;
    if (ageMs >= OVERDUE_AFTER_MS && !isAway) await attempt;
  }

  async #fetch(url: string, options: RequestInit): Promise<Response> {
    if (this.#now() - this.#failedAtMs < PAUSE_AFTER_FAILURE_MS) throw new Error('it failed a moment ago');
    try {
      const response = await fetch(url, options);
      const body = await limitedText(response);
      if (response.status !== 200) throw new Error(`its keys are answered with ${response.status}`);
      const { keys } = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).min(1) }).parse(JSON.parse(body));
      this.#fetchedAtMs = this.#now();
      return Response.json({ keys });
    } catch (error) {
      this.#failedAtMs = this.#now();
      this.#onTrouble(error);
      throw error;
    }
  }
}

async function limitedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  const chunks: AsyncIterable<Uint8Array> | null = response.body;
  for await (const chunk of chunks ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > KEYS_LIMIT) throw new Error(`its keys are longer than ${KEYS_LIMIT} bytes`);
  }
  return text;
}

/** Logout tokens and the like are signed by the same keys (RFC 8725, 3.11). */
function isAccessToken(typ: string | undefined): boolean {
  return typ === undefined || /^(?:application\/)?(?:at\+)?jwt$/i.test(typ);
}

function parsedClaims(payload: unknown): z.infer<typeof claims> {
  const result = claims.safeParse(payload);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw invalid(`its ${String(issue?.path[0])} is not what Earshot can use: ${issue?.message ?? ''}`);
}

function isAboutToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}

function whatIsWrong(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'it has expired';
  if (error instanceof errors.JWTClaimValidationFailed) return `its ${error.claim} is not the one required`;
  if (error instanceof errors.JOSEAlgNotAllowed) return 'its algorithm is not allowed';
  if (isAboutToken(error)) return 'none of the identity provider’s keys fits it';
  return 'it is not one of the identity provider’s';
}

function invalid(what: string): Problem {
  return unauthenticated(`The token is refused: ${what}.`, 'Bearer error="invalid_token"');
}

function unavailable(cause?: unknown): Problem {
  return new Problem(
    'authentication.unavailable',
    'The identity provider’s keys (AUTH_JWKS_URL) cannot be had, so the token cannot be checked; try again shortly.',
    { cause },
  );
}

/** Header, payload and signature (RFC 7515, 3.1). */
export function isJwt(bearer: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(bearer);
}
