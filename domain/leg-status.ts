import { z } from 'zod';

/** How a leg stands (`platform-api.md`, Monitor state). */
export const legStatus = z.enum(['pending', 'active', 'failed', 'terminated']);
export type LegStatus = z.infer<typeof legStatus>;

/** Whether a leg is there, heard or not yet. */
export function isLiveLeg({ status }: { readonly status: LegStatus }): boolean {
  return status === 'pending' || status === 'active';
}

/** Whether it is there and this OAuth client has started it: the legs of others are none of our business. */
export function isLiveLegOf(
  clientId: string,
  leg: { readonly status: LegStatus; readonly clientId: string | null },
): boolean {
  return leg.clientId === clientId && isLiveLeg(leg);
}
