import type {
  Interaction,
  InteractionPage,
  InteractionStatus,
  MediaMetrics,
  MediaServerGroup,
  MonitorState,
} from '../domain/platform-wire.js';
import type { MonitorMode } from '../domain/session.js';
import type { EventListener } from './event-stream.js';
import type { Importance } from './importance.js';

export type { EventListener, Interaction, InteractionPage, MonitorState };

/** A leg on the platform: the pair that every command but `start` names. */
export interface Leg {
  readonly interactionId: string;
  readonly monitorSessionId: string;
}

export interface CallOptions {
  /** Gives the call up; what it was about to change may then have been changed or not. */
  readonly signal?: AbortSignal | undefined;
}

/** Commands matter as much as they do; of a read only its caller knows. */
export interface ReadOptions extends CallOptions {
  /** How much it matters when not all calls can be made at once. @default `confirm`, of lists and metrics `background` */
  readonly importance?: Importance;
}

export interface StartOptions extends CallOptions {
  /**
   * Not to be sent later, wall clock, ms since the epoch: a machine that was suspended meanwhile does not count that time
   * in its timers. It is `unreachable` then.
   */
  readonly notAfterMs?: number;
}

/**
 * The telephony platform as the rest of Earshot sees it (`platform-api.md`, endpoint by endpoint).
 * A method resolves with the documented success and rejects with a {@link PlatformError} for everything else.
 * None of them retries, but for the one replay after a `401`: retrying is Temporal's business.
 *
 * A call for which the rate limit has no room waits its turn for a moment, and is `throttled` then; one to a platform that
 * is away is `unreachable` at once. In both cases nothing has been sent, and the fault says when to come again.
 */
export interface TelephonyPlatform {
  /** Our OAuth client: the `clientId` of the legs that are ours. */
  readonly clientId: string;

  /**
   * Starts a leg. **Not idempotent**: every accepted call makes another one.
   * @throws PlatformError `gone` (interaction), `group-unavailable`, `forbidden`, `throttled`, `unreachable` (nothing
   * was sent), `ambiguous` (it may have been made), `unauthorized`, `invalid`.
   */
  startMonitor(
    request: { readonly interactionId: string; readonly mediaServerGroupId?: string },
    options?: StartOptions,
  ): Promise<{ readonly monitorSessionId: string }>;

  /**
   * Puts a leg into a mode; repeating one that holds already succeeds.
   * @throws PlatformError `not-ready`, `busy`, `gone` (interaction or leg), and the general ones.
   */
  changeMode(leg: Leg, mode: MonitorMode, options?: CallOptions): Promise<void>;

  /** Stops a leg. A leg, or a whole interaction, that is not there (any more) is success: `already-gone`. */
  stopMonitor(leg: Leg, options?: CallOptions): Promise<'stopped' | 'already-gone'>;

  /** The legs of an interaction. @throws PlatformError `gone` (interaction: unknown or ended), and the general ones. */
  monitorState(interactionId: string, options?: ReadOptions): Promise<MonitorState>;

  /** One page of interactions. `pageSize` 1–500; `endedAfter` ISO 8601, which a platform may ignore. */
  listInteractions(
    query: {
      readonly status: InteractionStatus;
      readonly pageSize: number;
      readonly cursor?: string;
      readonly endedAfter?: string;
    },
    options?: ReadOptions,
  ): Promise<InteractionPage>;

  /** The media server groups, and which of them carries the interaction. @throws PlatformError as {@link monitorState} does */
  mediaServerGroups(interactionId: string, options?: ReadOptions): Promise<readonly MediaServerGroup[]>;

  /** How well a leg is heard. @throws PlatformError `gone` (interaction or leg), `not-ready`, and the general ones. */
  mediaMetrics(leg: Leg, options?: ReadOptions): Promise<MediaMetrics>;

  /**
   * Opens the event stream and listens until the connection ends, as it does now and then, and always with the token that
   * it was opened with; resolves with why it ended. Nothing is opened again.
   * @throws PlatformError where it could not be opened: `forbidden`, `throttled`, `unreachable`, `unauthorized`, `invalid`.
   */
  followEvents(listener: EventListener, options?: CallOptions): Promise<string>;
}
