import type { RequestHandler } from 'express';
import { bearerOf, isKey } from '../http/bearer-key.js';
import { actorOf, setCaller } from './caller.js';
import type { Caller } from './caller.js';
import { Problem } from './problem.js';
import { contextOf } from './request-context.js';
import type { TokenVerifier } from './token-verifier.js';

/** What callers may present; with neither, nobody gets in. */
export interface Credentials {
  /** The one key of the services. */
  readonly apiKey?: string | undefined;
  /** The tokens of people. */
  readonly tokens?: TokenVerifier | undefined;
  /** The setting that holds the key. @default API_KEY */
  readonly keyName?: string;
}

/** Tells who sends a request, by its `Authorization`. @throws {Problem} `authentication.required`, `authentication.unavailable` */
export type Authenticate = (authorization: string | undefined) => Promise<Caller>;

/** Knows services by the API key and people by their tokens (RFC 6750). */
export function authenticator({ apiKey, tokens, keyName = 'API_KEY' }: Credentials): Authenticate {
  const isApiKey = apiKey === undefined ? () => false : isKey(apiKey);
  const ways = [
    ...(apiKey === undefined ? [] : [`<${keyName}>`]),
    ...(tokens === undefined ? [] : ['<a token of the identity provider>']),
  ].join(' or ');
  return async (authorization) => {
    const bearer = bearerOf(authorization);
    if (bearer === undefined) {
      throw unauthenticated(`Send Authorization: Bearer ${ways}.`, 'Bearer');
    }
    if (isApiKey(bearer)) return { kind: 'service' };
    if (tokens !== undefined && isJwt(bearer)) return tokens.verify(bearer);
    throw unauthenticated(
      `The bearer in the Authorization header is not what this API takes (Bearer ${ways}).`,
      'Bearer error="invalid_token"',
    );
  };
}

/** Lets requests of callers it knows pass; everyone else gets `401`. */
export function requireCaller(authenticate: Authenticate): RequestHandler {
  return async (request, _response, next) => {
    const caller = await authenticate(request.get('authorization'));
    setCaller(request, caller);
    contextOf(request).actor = actorOf(caller);
    next();
  };
}

/** A `401`. @param challenge of `WWW-Authenticate` (RFC 6750, 3) */
export function unauthenticated(detail: string, challenge: string): Problem {
  return new Problem('authentication.required', detail, { headers: { 'WWW-Authenticate': challenge } });
}

/** Header, payload and signature (RFC 7515, 3.1). */
function isJwt(bearer: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(bearer);
}
