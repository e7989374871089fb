import { createActivities } from '../../activities/activities.js';
import type { Activities } from '../../activities/activities.js';
import { createMediaServerLookup } from '../../activities/media-server-lookup.js';
import type { HttpPlatform } from '../../platform/http-platform.js';
import { WORKFLOW_SETTINGS } from '../channel/workers.js';

export interface FloorActivities extends Pick<Activities, 'changeMode'> {
  /** The one call that makes a leg; answers its id. */
  readonly startLeg: (interactionId: string) => Promise<string>;
}

/** Earshot's own activity for a change of mode (one look, one command), and the bare call for a start. */
export function createFloorActivities(platform: HttpPlatform): FloorActivities {
  const activities = createActivities(platform, WORKFLOW_SETTINGS, createMediaServerLookup(platform));
  return {
    changeMode: activities.changeMode.bind(activities),
    startLeg: async (interactionId) => (await platform.startMonitor({ interactionId })).monitorSessionId,
  };
}
