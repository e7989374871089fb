import type { IncomingMessage } from 'node:http';
import cors from 'cors';
import type { RequestHandler } from 'express';
import { Problem } from './problem.js';

/** How long browsers may remember what they were told, s. */
const REMEMBERED_SECONDS = 600;

/**
 * Lets pages of these origins use REST (Fetch Standard, CORS); of all others the browser keeps the answers away. No cookie
 * is let through: a page authenticates by its bearer.
 */
export function allowOrigins(origins: readonly string[]): RequestHandler {
  return cors({
    origin: [...origins],
    methods: ['GET', 'HEAD', 'POST'],
    allowedHeaders: ['Authorization', 'Content-Type', 'Prefer', 'Idempotency-Key', 'If-None-Match', 'X-Request-Id'],
    exposedHeaders: [
      'Location',
      'ETag',
      'Preference-Applied',
      'Retry-After',
      'RateLimit',
      'RateLimit-Policy',
      'X-Request-Id',
    ],
    maxAge: REMEMBERED_SECONDS,
  });
}

/**
 * Lets pages of these origins, Temporal's UI that is, decrypt what they show: by a bearer, or by the cookie of whoever has
 * signed in to Earshot's page, which the UI sends along where it is told to include credentials.
 */
export function allowCodecOrigins(origins: readonly string[]): RequestHandler {
  return cors({
    origin: [...origins],
    credentials: true,
    methods: ['POST'],
    // `X-Namespace`: which one the UI shows. The keys are those of this deployment, whatever it says.
    allowedHeaders: ['Authorization', 'Content-Type', 'X-Namespace'],
    maxAge: REMEMBERED_SECONDS,
  });
}

/** Whether a page of this origin came from the host that it now asks. */
export function isOriginOf(host: string | undefined, origin: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host;
}

/** Methods that change nothing (RFC 9110, 9.2.1). */
const SAFE = ['GET', 'HEAD'];

/**
 * Against forged requests (CSRF): whose page a request comes from is told by headers that no page can change (Fetch Metadata;
 * `Origin`, by browsers that do not know it, and where there is no TLS). Programs tell nothing.
 * @throws {Problem} `access.denied` where it is another page
 */
export function refuseOtherPages(request: IncomingMessage): void {
  if (pageOf(request) === 'other') {
    throw denied('This is for Earshot’s own page; other pages use Authorization and, of another origin, CORS_ORIGINS.');
  }
}

/**
 * The same for what a browser adds by itself: here, what changes anything has to come from our own page for certain.
 * @throws {Problem} `access.denied`
 */
export function requireOwnPage(request: IncomingMessage): void {
  refuseOtherPages(request);
  if (pageOf(request) === 'untold' && !SAFE.includes(request.method ?? '')) {
    throw denied('By the cookie alone only Earshot’s own page may do this; programs send Authorization.');
  }
}

function pageOf({ headers }: IncomingMessage): 'own' | 'other' | 'untold' {
  const site = headers['sec-fetch-site'];
  // Somebody has typed the address.
  if (site === 'none') return 'untold';
  if (site !== undefined) return site === 'same-origin' ? 'own' : 'other';
  if (headers.origin === undefined) return 'untold';
  return isOriginOf(headers.host, headers.origin) ? 'own' : 'other';
}

function denied(detail: string): Problem {
  return new Problem('access.denied', detail);
}
