import type { Logger } from 'pino';
import { z } from 'zod';
import type { Clock, Timers } from './clock.js';
import type { PlatformEvent } from './event-publisher.js';
import { webhookKey, webhookSignature } from './webhook-signature.js';

const secretSchema = z.string().regex(/^whsec_[A-Za-z0-9+/]+={0,2}$/, 'expected `whsec_` and base64');

/** Where events are posted to, and how they are signed. */
export const webhookSchema = z.strictObject({
  url: z.url({ protocol: /^https?$/ }),
  secret: secretSchema,
  /** While a secret rotates, every delivery is signed with both. */
  previousSecret: secretSchema.optional(),
  /** The wait before the first repetition, in milliseconds; it doubles up to a minute. */
  retryBaseMs: z.number().positive().default(500),
});
export type WebhookSettings = z.output<typeof webhookSchema>;
export type WebhookInput = z.input<typeof webhookSchema>;

const RETRY_MAX_MS = 60_000;
/** `platform-api.md`, Events: re-sent for up to 24 h. */
const GIVE_UP_AFTER_MS = 24 * 3_600_000;
const ATTEMPT_TIMEOUT_MS = 10_000;
/** Past so many deliveries under way or waiting, new ones are dropped: a dead receiver must not fill the memory. */
const MAX_PENDING = 10_000;

interface Delivery {
  readonly settings: WebhookSettings;
  readonly event: PlatformEvent;
  readonly body: string;
  readonly firstAtMs: number;
  attempts: number;
}

/** Posts every event to the webhook, signed, again and again until a `2xx` comes back. */
export class WebhookSender {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  #settings: WebhookSettings | null = null;
  #pending = 0;

  constructor(clock: Clock, timers: Timers, log: Logger) {
    this.#clock = clock;
    this.#timers = timers;
    this.#log = log;
  }

  /** Sets where events go from now on; deliveries for another place are given up. */
  configure(settings: WebhookSettings | null): void {
    this.#settings = settings;
  }

  send(event: PlatformEvent): void {
    if (this.#settings === null) return;
    if (this.#pending >= MAX_PENDING) {
      this.#log.warn({ eventId: event.id }, 'webhook queue full, event dropped');
      return;
    }
    this.#pending += 1;
    const delivery = { settings: this.#settings, event, body: JSON.stringify(event), firstAtMs: this.#clock.nowMs() };
    void this.#attempt({ ...delivery, attempts: 0 });
  }

  /** Gives up all deliveries. */
  close(): void {
    this.#settings = null;
    this.#closing.abort();
  }

  async #attempt(delivery: Delivery): Promise<void> {
    const { settings } = delivery;
    if (settings !== this.#settings || (await this.#post(delivery))) {
      this.#pending -= 1;
      return;
    }
    delivery.attempts += 1;
    const retryInMs = Math.min(settings.retryBaseMs * 2 ** (delivery.attempts - 1), RETRY_MAX_MS);
    if (this.#clock.nowMs() + retryInMs - delivery.firstAtMs > GIVE_UP_AFTER_MS) {
      this.#log.warn({ eventId: delivery.event.id }, 'webhook given up');
      this.#pending -= 1;
      return;
    }
    this.#timers.after(retryInMs, () => void this.#attempt(delivery));
  }

  /** One attempt; true when the receiver took it. */
  async #post({ settings, event, body }: Delivery): Promise<boolean> {
    const keys = [settings.secret, settings.previousSecret].flatMap((secret) =>
      secret === undefined ? [] : [webhookKey(secret)],
    );
    // The timestamp is this attempt's: a repetition hours later must pass the receiver's 5-minute tolerance.
    const timestampSeconds = Math.floor(this.#clock.nowMs() / 1000);
    try {
      const response = await fetch(settings.url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'webhook-id': event.id,
          'webhook-timestamp': String(timestampSeconds),
          'webhook-signature': webhookSignature(keys, { id: event.id, timestampSeconds, body }),
        },
        body,
        redirect: 'manual',
        signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(ATTEMPT_TIMEOUT_MS)]),
      });
      await response.body?.cancel();
      return response.ok;
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#log.debug({ err: error, eventId: event.id }, 'webhook not delivered');
      return false;
    }
  }
}
