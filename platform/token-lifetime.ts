/** Assumed where `expires_in` says nothing usable, s: short enough to be safe, long enough not to be a storm. */
const DEFAULT_LIFETIME_S = 300;
/** Longest lifetime believed, s: a day. */
const LONGEST_LIFETIME_S = 86_400;
const NUMERIC = /^\d+(?:\.\d+)?$/;

/**
 * A token's lifetime, ms, from the token answer's `expires_in` (seconds; some servers write it as text). Missing,
 * below one second or not a number: five minutes. More than a day: a day.
 */
export function tokenLifetimeMs(expiresIn: unknown): number {
  const stated = typeof expiresIn === 'string' && NUMERIC.test(expiresIn.trim()) ? Number(expiresIn) : expiresIn;
  const usable = typeof stated === 'number' && Number.isFinite(stated) && stated >= 1;
  return (usable ? Math.min(stated, LONGEST_LIFETIME_S) : DEFAULT_LIFETIME_S) * 1000;
}
