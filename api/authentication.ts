import type { Request, RequestHandler } from 'express';
import { bearerOf, isKey } from '../http/bearer-key.js';
import { actorOf, setCaller } from './caller.js';
import type { Caller } from './caller.js';
import { requireOwnPage } from './cross-origin.js';
import type { Credentials } from './credentials.js';
import { Problem } from './problem.js';
import { contextOf } from './request-context.js';
import { endOf, signInCookieOf } from './sign-in-cookie.js';
import type { SignInCookie } from './sign-in-cookie.js';
import type { SignIns } from './sign-ins.js';
import { isJwt } from './token-verifier.js';
import { unauthenticated } from './unauthenticated.js';

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

/**
 * Lets requests of callers it knows pass, by `Authorization` or, without that, by the cookie; everyone else gets `401`.
 * @param mayUseCookie whether the page that a request comes from may use the cookie besides our own, by default none
 */
export function requireCaller(
  authenticate: Authenticate,
  signIns: SignIns,
  mayUseCookie: (request: Request) => boolean = () => false,
): RequestHandler {
  return async (request, _response, next) => {
    const authorization = request.get('authorization');
    const person = authorization === undefined ? await personByCookie(request, signIns, mayUseCookie) : undefined;
    const caller = person ?? (await authenticate(authorization));
    setCaller(request, caller);
    contextOf(request).actor = actorOf(caller);
    next();
  };
}

/**
 * Whoever the cookie of a request stands for; `undefined`: it has none.
 * @throws {Problem} `authentication.required`, `authentication.unavailable`, `access.denied`
 */
export async function personByCookie(
  request: Request,
  signIns: SignIns,
  mayUseCookie: (request: Request) => boolean = () => false,
): Promise<Caller | undefined> {
  const cookie = signInCookieOf(request);
  if (cookie === undefined) return undefined;
  if (!mayUseCookie(request)) requireOwnPage(request);
  return personOf(cookie, signIns);
}

/** A cookie that lets nobody in is not sent again. */
async function personOf({ name, value }: SignInCookie, signIns: SignIns): Promise<Caller> {
  try {
    return await signIns.personOf(value);
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'authentication.required') throw error;
    throw new Problem(error.code, `The sign-in is over: sign in again. ${error.message}`, {
      headers: { ...error.headers, 'Set-Cookie': endOf(name) },
    });
  }
}
