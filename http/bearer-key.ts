import { createHash, timingSafeEqual } from 'node:crypto';

/** The token of a bearer header (RFC 6750). */
export function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
}

/** Tells whether a bearer is the key. Digests have one length, so that the comparison takes as long for every bearer. */
export function isKey(key: string): (bearer: string) => boolean {
  const expected = digest(key);
  return (bearer) => timingSafeEqual(digest(bearer), expected);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
