/**
 * Whether `If-None-Match` names the tag (RFC 9110, 13.1.2). Not Express's own: with that a `fetch` is never answered 304,
 * because it adds `Cache-Control: no-cache`, which is meant for caches.
 */
export function isKnown(etag: string, ifNoneMatch = ''): boolean {
  const weak = ifNoneMatch.split(',').map((known) => known.trim().replace(/^W\//, ''));
  return weak.includes('*') || weak.includes(etag.replace(/^W\//, ''));
}
