import { createHmac } from 'node:crypto';

/** What is signed: the message id, the time of this attempt (seconds since the Unix epoch), the exact body. */
export interface SignedMessage {
  readonly id: string;
  readonly timestampSeconds: number;
  readonly body: string;
}

/** A webhook secret that isn't `whsec_` and base64. */
export class WebhookSecretError extends Error {
  readonly code = 'webhook.secret.invalid';
  override readonly name = 'WebhookSecretError';
}

/** The key of a `whsec_`-prefixed base64 secret. Throws `WebhookSecretError`. */
export function webhookKey(secret: string): Buffer {
  const base64 = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret)?.[1];
  if (base64 === undefined) throw new WebhookSecretError('Expected the webhook secret to be `whsec_` and base64');
  return Buffer.from(base64, 'base64');
}

/** The `webhook-signature` header of the Standard Webhooks scheme: one `v1,…` per key, space-separated. */
export function webhookSignature(keys: readonly Buffer[], { id, timestampSeconds, body }: SignedMessage): string {
  const content = `${id}.${timestampSeconds}.${body}`;
  return keys.map((key) => `v1,${createHmac('sha256', key).update(content).digest('base64')}`).join(' ');
}
