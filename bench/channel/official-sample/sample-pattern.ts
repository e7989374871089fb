import { randomUUID } from 'node:crypto';
import { aFewAtATime } from '../../a-few-at-a-time.js';
import type { CleanUp } from '../../clean-up.js';
import type { Pattern, Speaker } from '../exclusive-channel.js';
import { until } from '../../until.js';
import { runInBackground, WAIT_SECONDS } from '../workers.js';
import type { World } from '../world.js';
import { BARGE, IS_WAITING, SILENT, SPEAKER_WORKFLOW } from './messages.js';
import { createSampleWorker, TASK_QUEUE } from './sample-worker.js';
import type { SpeakerInput } from './speaker-workflow.js';

const ACTIVE_EVERY_MS = 20;

/** The official sample's mutex between workflows that do an Earshot session's work. */
export async function samplePattern(world: World, cleanUp: CleanUp): Promise<Pattern> {
  const { client, platforms, simulator } = world;
  const platform = platforms.sample;
  runInBackground(await createSampleWorker(world), cleanUp);

  async function startSpeaker(interactionId: string): Promise<Speaker> {
    const { monitorSessionId } = await platform.startMonitor({ interactionId });
    await until(`${monitorSessionId} is active`, ACTIVE_EVERY_MS, () =>
      simulator.ledger
        .legs({ interactionId })
        .find((leg) => leg.monitorSessionId === monitorSessionId && leg.status === 'active'),
    );
    const input: SpeakerInput = {
      leg: { interactionId, monitorSessionId },
      lockWorkflowId: interactionId,
      lockTimeoutMs: WAIT_SECONDS * 1_000,
    };
    const workflow = await client.workflow.start(SPEAKER_WORKFLOW, {
      workflowId: `test-${randomUUID()}`,
      taskQueue: TASK_QUEUE,
      args: [input],
    });
    return {
      workflowId: workflow.workflowId,
      monitorSessionId,
      barge: () => workflow.signal(BARGE),
      silent: () => workflow.signal(SILENT),
      isWaiting: () => workflow.query<boolean>(IS_WAITING),
    };
  }

  return {
    open: async (count) => {
      const { interactionId } = simulator.controls.addInteraction();
      const speakers = await aFewAtATime(Array.from({ length: count }), () => startSpeaker(interactionId));
      return {
        interactionId,
        lockWorkflowId: interactionId,
        speakers,
        close: async () => {
          const workflowIds = [interactionId, ...speakers.map(({ workflowId }) => workflowId)];
          await aFewAtATime(workflowIds, (workflowId) => client.workflow.getHandle(workflowId).terminate());
          await aFewAtATime(speakers, ({ monitorSessionId }) =>
            platform.stopMonitor({ interactionId, monitorSessionId }),
          );
        },
      };
    },
  };
}
