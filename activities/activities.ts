import { getClient } from '@temporalio/activity';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';
import { createClaimActivities } from './claim-activities.js';
import type { ClaimActivities } from './claim-activities.js';
import { createEarlierLeg } from './earlier-leg.js';
import { createLegActivities } from './leg-activities.js';
import type { LegActivities } from './leg-activities.js';
import { createReadActivities } from './read-activities.js';
import type { ReadActivities, WorkflowSettings } from './read-activities.js';

/** Everything that workflows ask of the world, by activity name. */
export type Activities = LegActivities & ClaimActivities & ReadActivities;

/** The activities of one worker, over its platform adapter. */
export function createActivities(platform: TelephonyPlatform, settings: WorkflowSettings): Activities {
  return {
    ...createLegActivities(platform, createEarlierLeg(platform, getClient)),
    ...createClaimActivities(platform),
    ...createReadActivities(platform, settings),
  };
}
