import { createHash, timingSafeEqual } from 'node:crypto';
import type { RequestHandler } from 'express';
import { Problem } from './problem.js';

/** How the audit trail names a caller that has the API key. */
export const SERVICE_ACTOR = 'service';

/** Lets requests with `Authorization: Bearer <API_KEY>` pass; everyone else gets `401`. */
export function requireKey(apiKey: string): RequestHandler {
  const expected = digest(apiKey);
  return (request, _response, next) => {
    const authorization = request.get('authorization');
    const key = bearerOf(authorization);
    // Digests have one length, so that the comparison takes as long for every key.
    if (key !== undefined && timingSafeEqual(digest(key), expected)) {
      next();
      return;
    }
    const detail =
      authorization === undefined
        ? 'Send the API key: Authorization: Bearer <API_KEY>.'
        : 'The key in the Authorization header is not the one this API was started with (Bearer <API_KEY>).';
    throw new Problem('authentication.required', detail, { headers: { 'WWW-Authenticate': 'Bearer' } });
  };
}

/** The token of a bearer header (RFC 6750). */
export function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
