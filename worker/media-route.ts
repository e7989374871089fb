import type { Client } from '@temporalio/client';
import type { MediaRoute } from '../activities/follow-events.js';
import type { MediaServerLookup } from '../activities/media-server-lookup.js';
import { heardSessionsOf, pollMedia } from '../activities/poll-media.js';
import { legSessions, MediaWatch } from '../directory/media-watch.js';
import { SampleBatches } from '../directory/sample-batches.js';
import { homeIn } from '../domain/media-placement.js';
import type { MediaLimits } from '../domain/media-trend.js';
import type { LegSample } from '../domain/notifications.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';

/** A leg that is suddenly heard worse may be so because its call has just been moved to another group, ms. */
const FRESH_MS = 1_000;

export interface MediaSettings {
  readonly limits: MediaLimits;
  /** Between two looks at a leg that the event stream does not tell of, ms; 0: none. */
  readonly pollMs: number;
  /** Is told of what went wrong and is tried again. @default nobody */
  readonly onTrouble?: (error: unknown) => void;
  /** Is told about once a second how legs are heard, of each the latest sample. @default nobody, and none are gathered */
  readonly onSamples?: (samples: readonly LegSample[]) => void;
}

export interface MediaRouteOptions {
  readonly settings: MediaSettings;
  readonly client: Client;
  readonly platform: Pick<TelephonyPlatform, 'mediaMetrics'>;
  readonly mediaServers: MediaServerLookup;
  /** Shows what is followed, and how well it is heard. */
  readonly show: (watch: Pick<MediaWatch, 'qualities'>) => void;
}

/** What a worker does with what it hears, and asks, of how legs sound. */
export function createMediaRoute({ settings, client, platform, mediaServers, show }: MediaRouteOptions): MediaRoute {
  const { limits, pollMs, onTrouble = () => undefined, onSamples } = settings;
  const batches = onSamples === undefined ? undefined : new SampleBatches(onSamples);
  const watch = new MediaWatch({
    sessions: legSessions(client),
    limits,
    homeOf: async (interactionId) => homeIn((await mediaServers(interactionId, FRESH_MS)).groups),
    onTrouble,
    ...(batches === undefined ? {} : { onSample: (sample) => batches.add(sample) }),
  });
  show(watch);
  const leave = (): void => {
    watch.clear();
    batches?.clear();
  };
  const route = { take: watch.sample.bind(watch), leave };
  if (pollMs === 0) return route;
  const sessions = heardSessionsOf(client);
  return { ...route, poll: (signal) => pollMedia({ platform, sessions, watch, pollMs, signal, onTrouble }) };
}
