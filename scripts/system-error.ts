/**
 * `code` of a system error (`EEXIST`), else `undefined`. Not by `instanceof Error`: Node's own errors are of another
 * realm than the code under jest.
 */
export function systemErrorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** What an error says, for a line that a person reads. */
export function messageOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message);
  return String(error);
}
