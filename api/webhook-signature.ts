import { createHmac, timingSafeEqual } from 'node:crypto';

/** How far the time of a delivery may be from ours, s (Standard Webhooks, `platform-api.md`). */
const TOLERANCE_SECONDS = 300;

/** Why a delivery is not believed. */
export type SignatureFault = 'missing' | 'untimely' | 'wrong';

export interface SignedDelivery {
  /** Header `webhook-id`. */
  readonly id: string | undefined;
  /** Header `webhook-timestamp`, seconds since the epoch. */
  readonly timestamp: string | undefined;
  /** Header `webhook-signature`: `v1,` and base64, several of them separated by spaces while a secret rotates. */
  readonly signature: string | undefined;
  /** As it came, byte for byte. */
  readonly body: Buffer;
}

/** The keys of any number of `whsec_` secrets, separated by spaces or commas. */
export function webhookKeys(secrets = ''): Buffer[] {
  return secrets
    .split(/[\s,]+/)
    .filter((secret) => secret !== '')
    .map((secret) => Buffer.from(secret.replace(/^whsec_/, ''), 'base64'));
}

/**
 * Checks a delivery by the Standard Webhooks scheme; `undefined`: one of the signatures is by one of our keys.
 * @param nowMs wall clock, ms since the epoch
 */
export function signatureFault(
  { id, timestamp, signature, body }: SignedDelivery,
  keys: readonly Buffer[],
  nowMs: number,
): SignatureFault | undefined {
  if (id === undefined || id === '' || timestamp === undefined || signature === undefined) return 'missing';
  if (!/^\d{1,12}$/.test(timestamp)) return 'untimely';
  if (Math.abs(nowMs / 1_000 - Number(timestamp)) > TOLERANCE_SECONDS) return 'untimely';

  const given = signature
    .split(' ')
    .filter((one) => one.startsWith('v1,'))
    .map((one) => Buffer.from(one.slice(3), 'base64'));
  const expected = keys.map((key) => createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest());
  // Every pair is compared, so that the time taken tells nothing of which one fits.
  const fitting = expected.flatMap((ours) =>
    given.filter((theirs) => theirs.length === ours.length && timingSafeEqual(ours, theirs)),
  );
  return fitting.length > 0 ? undefined : 'wrong';
}
