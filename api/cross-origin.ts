import cors from 'cors';
import type { RequestHandler } from 'express';

/** How long browsers may remember what they were told, s. */
const REMEMBERED_SECONDS = 600;

/**
 * Lets pages of these origins use REST (Fetch Standard, CORS); of all others the browser keeps the answers away. No cookie
 * is ever let through: a page authenticates by its bearer.
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
