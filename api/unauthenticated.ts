import { Problem } from './problem.js';

/** A `401`. @param challenge of `WWW-Authenticate` (RFC 6750, 3) */
export function unauthenticated(detail: string, challenge: string): Problem {
  return new Problem('authentication.required', detail, { headers: { 'WWW-Authenticate': challenge } });
}
