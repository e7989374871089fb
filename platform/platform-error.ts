/**
 * Everything that a call to the platform can end in besides its documented success: the one taxonomy that activities
 * translate for workflows. Sources: `platform-api.md`, "Everywhere" and "Monitor commands".
 *
 * - `forbidden`: scope or licence too low (`403`). Never retried.
 * - `gone`: the interaction or the leg is unknown or ended (`404`, `410`); `ended` where the platform said so.
 * - `not-ready`: a mode change before the leg is active, or a `409` that names no holder.
 * - `busy`: another leg holds the exclusive channel.
 * - `group-unavailable`: the media server group is unknown, draining or full; no leg was made.
 * - `throttled`: past the rate limit (`429`); `retryAfterMs` is `null` where the platform named no delay.
 * - `unreachable`: nothing was sent, so nothing happened (connection refused, name not found; or the platform has not
 *   answered `since` then, and is only asked now and then whether it is back: `retryAfterMs`).
 * - `ambiguous`: it was sent, and may or may not have taken effect (`5xx`, reset, timeout, an unreadable answer).
 * - `unauthorized`: no token could be had, or a fresh one was refused too.
 * - `invalid`: the platform calls the request itself wrong (another `4xx`).
 */
export type PlatformFault =
  | { readonly kind: 'forbidden'; readonly code: string }
  | { readonly kind: 'gone'; readonly what: 'interaction' | 'leg'; readonly ended: boolean }
  | { readonly kind: 'not-ready' }
  | { readonly kind: 'busy'; readonly conflictingMonitorSessionId: string }
  | { readonly kind: 'group-unavailable' }
  | { readonly kind: 'throttled'; readonly retryAfterMs: number | null }
  | { readonly kind: 'unreachable'; readonly detail: string; readonly since?: string; readonly retryAfterMs?: number }
  | { readonly kind: 'ambiguous'; readonly detail: string }
  | { readonly kind: 'unauthorized'; readonly detail: string }
  | { readonly kind: 'invalid'; readonly status: number; readonly code: string };

export type PlatformFaultKind = PlatformFault['kind'];

/** Thrown by every method of the port. Its message names the call and the fault, never a token, secret or header. */
export class PlatformError extends Error {
  override readonly name = 'PlatformError';

  constructor(
    /** The call, such as `start` or `GET monitor state`. */
    readonly call: string,
    readonly fault: PlatformFault,
  ) {
    super(`${call}: ${describeFault(fault)}`);
  }
}

/** In words, for people. */
export function describeFault(fault: PlatformFault): string {
  switch (fault.kind) {
    case 'forbidden':
      return `the platform refuses it to our OAuth client (${fault.code})`;
    case 'gone':
      return `the ${fault.what} ${fault.ended ? 'has ended' : 'is unknown to the platform'}`;
    case 'not-ready':
      return 'the leg is not active yet';
    case 'busy':
      return `the exclusive channel is held by ${fault.conflictingMonitorSessionId}`;
    case 'group-unavailable':
      return 'the media server group is unknown, draining or full';
    case 'throttled':
      return `rate limit reached${fault.retryAfterMs === null ? '' : `, free again in ${fault.retryAfterMs} ms`}`;
    case 'unreachable':
      return `the platform cannot be reached (${fault.detail})`;
    case 'ambiguous':
      return `no usable answer, it may or may not have taken effect (${fault.detail})`;
    case 'unauthorized':
      return `no valid access token (${fault.detail})`;
    case 'invalid':
      return `the platform answered ${fault.status} ${fault.code}`;
  }
}
