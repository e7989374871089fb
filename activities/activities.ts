import { getClient } from '@temporalio/activity';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';
import { createChannelActivities } from './channel-activities.js';
import type { ChannelActivities } from './channel-activities.js';
import { createClaimActivities } from './claim-activities.js';
import type { ClaimActivities } from './claim-activities.js';
import { createEarlierLeg } from './earlier-leg.js';
import { createHolderActivities } from './holder-watch.js';
import type { HolderActivities } from './holder-watch.js';
import { createLegActivities } from './leg-activities.js';
import type { LegActivities } from './leg-activities.js';
import type { MediaServerLookup } from './media-server-lookup.js';
import { createReadActivities } from './read-activities.js';
import type { ReadActivities, WorkflowSettings } from './read-activities.js';
import { createReconcileActivities } from './reconcile-activities.js';
import type { ReconcileActivities } from './reconcile-activities.js';
import { createSweepActivities } from './sweep-activities.js';
import type { SweepActivities } from './sweep-activities.js';

/** Everything that workflows ask of the world, by activity name. */
export type Activities = LegActivities &
  ClaimActivities &
  ChannelActivities &
  HolderActivities &
  ReadActivities &
  ReconcileActivities &
  SweepActivities;

/** Those who speak on a call tend to speak again soon, and starting a mutex costs some milliseconds. */
const CHANNEL_IDLE_MS = 60_000;

/**
 * The activities of one worker, over its platform adapter.
 * @param channelIdleMs how long the mutex of a channel outlives its last use, ms
 */
export function createActivities(
  platform: TelephonyPlatform,
  settings: WorkflowSettings,
  mediaServers: MediaServerLookup,
  channelIdleMs = CHANNEL_IDLE_MS,
): Activities {
  return {
    ...createLegActivities(platform, createEarlierLeg(platform, getClient), mediaServers),
    ...createClaimActivities(platform),
    ...createChannelActivities(platform, channelIdleMs),
    ...createHolderActivities(),
    ...createReadActivities(platform, settings),
    ...createReconcileActivities(platform),
    ...createSweepActivities(platform),
  };
}
