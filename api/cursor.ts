import { createHash } from 'node:crypto';
import { invalidRequest } from './problem.js';

const CHECK_BYTES = 9;

/**
 * A page's continuation as the caller gets it: opaque, and bound to the list it came from. The check is there because
 * Temporal answers a broken token like an outage, and takes another list's for its own.
 *
 * @param list What identifies the list: its filters.
 */
export function encodeCursor(list: string, token: Uint8Array): string {
  return Buffer.concat([check(list, token), token]).toString('base64url');
}

/** @throws {Problem} `400` naming `cursor` for one that this list never gave. */
export function decodeCursor(list: string, cursor: string): Uint8Array {
  const bytes = Buffer.from(cursor, 'base64url');
  const token = bytes.subarray(CHECK_BYTES);
  const wellFormed = token.length > 0 && bytes.toString('base64url') === cursor;
  if (wellFormed && bytes.subarray(0, CHECK_BYTES).equals(check(list, token))) return token;
  throw badCursor();
}

export function badCursor(): ReturnType<typeof invalidRequest> {
  return invalidRequest([{ field: 'cursor', message: 'is not the nextCursor of an answer with the same parameters' }]);
}

function check(list: string, token: Uint8Array): Buffer {
  return createHash('sha256').update(list).update('\0').update(token).digest().subarray(0, CHECK_BYTES);
}
