import type { IncomingMessage } from 'node:http';
import type { Response } from 'express';
import { isForThisMachine } from '../http/from-this-machine.js';
import { unauthenticated } from './unauthenticated.js';
import { Problem } from './problem.js';

/**
 * Browsers take a cookie of such a name over TLS only and for this very host, so that no other host of the domain can slip
 * in one of its own (RFC 6265bis, 4.1.3.2).
 */
const GUARDED_NAME = '__Host-earshot';

/** On this machine there is no TLS, and no other host. */
const LOCAL_NAME = 'earshot';

/** What a browser sent along. */
export interface SignInCookie {
  readonly name: string;
  readonly value: string;
}

/**
 * The cookie of a request, if it has one.
 * @throws {Problem} `authentication.required` where there are several: one of them is somebody else's
 */
export function signInCookieOf(request: IncomingMessage): SignInCookie | undefined {
  for (const name of isForThisMachine(request) ? [GUARDED_NAME, LOCAL_NAME] : [GUARDED_NAME]) {
    const [value, ...others] = valuesOf(request.headers.cookie ?? '', name);
    if (others.length > 0) {
      throw unauthenticated(`There are several cookies ${name}: delete this site’s, and sign in again.`, 'Bearer');
    }
    if (value !== undefined) return { name, value };
  }
  return undefined;
}

/**
 * Has the browser keep the cookie.
 * @param value of characters that need no quotes: a JWT
 * @throws {Problem} `access.denied` where the browser would drop it
 */
export function keepCookie(request: IncomingMessage, response: Response, value: string, maxAgeSeconds: number): void {
  const name = nameFor(request);
  if (name === GUARDED_NAME && request.headers.origin?.startsWith('http:') === true) {
    throw new Problem(
      'access.denied',
      'Browsers keep a sign-in over TLS only: open the page by https://, or on the machine that it runs on by its loopback address.',
    );
  }
  response.set('Set-Cookie', setCookie(name, value, maxAgeSeconds));
}

/** Has the browser forget the cookie. */
export function forgetCookie(request: IncomingMessage, response: Response): void {
  response.set('Set-Cookie', endOf(nameFor(request)));
}

/** `Set-Cookie` that has a browser forget the cookie of that name. */
export function endOf(name: string): string {
  return setCookie(name, '', 0);
}

function setCookie(name: string, value: string, maxAgeSeconds: number): string {
  const secure = name === GUARDED_NAME ? '; Secure' : '';
  return `${name}=${value}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${maxAgeSeconds}${secure}`;
}

/** A proxy on this machine may speak TLS to the browser, which the page's origin tells, and name this machine to us. */
function nameFor(request: IncomingMessage): string {
  const isPlain = isForThisMachine(request) && request.headers.origin?.startsWith('https:') !== true;
  return isPlain ? LOCAL_NAME : GUARDED_NAME;
}

/** Of every cookie of that name (RFC 6265, 4.2.1), as it stands: ours need neither quotes nor escapes. */
function valuesOf(header: string, name: string): string[] {
  return header.split(';').flatMap((pair) => {
    const equals = pair.indexOf('=');
    return equals >= 0 && pair.slice(0, equals).trim() === name ? [pair.slice(equals + 1).trim()] : [];
  });
}
