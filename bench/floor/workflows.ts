import {
  allHandlersFinished,
  condition,
  defineSignal,
  defineUpdate,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
} from '@temporalio/workflow';
import type { MonitorMode } from '../../domain/session.js';
import type { Leg } from '../../platform/telephony-platform.js';
import type { FloorActivities } from './activities.js';

export const floorMode = defineUpdate<MonitorMode, [MonitorMode]>('mode');
export const floorStart = defineUpdate<string>('start');
export const floorEnd = defineSignal('end');

const { changeMode } = proxyLocalActivities<Pick<FloorActivities, 'changeMode'>>({ startToCloseTimeout: '10s' });
const { startLeg } = proxyActivities<Pick<FloorActivities, 'startLeg'>>({
  startToCloseTimeout: '45s',
  retry: { maximumAttempts: 1 },
});

/** Nothing but what Temporal itself needs for a command: an update, and one local activity that calls the platform. */
export async function floorCommands(leg: Leg): Promise<void> {
  let isOver = false;
  setHandler(floorMode, async (mode) => {
    await changeMode(leg, mode, false);
    return mode;
  });
  setHandler(floorEnd, () => {
    isOver = true;
  });
  await condition(() => isOver && allHandlersFinished());
}

/** The same for a start: an update with start, and one activity. */
export async function floorSession(interactionId: string): Promise<void> {
  let isOver = false;
  setHandler(floorStart, async () => {
    try {
      return await startLeg(interactionId);
    } finally {
      isOver = true;
    }
  });
  await condition(() => isOver && allHandlersFinished());
}
