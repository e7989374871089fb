import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import type { CommandSignal, StartSessionInput } from '../../domain/commands.js';
import { mutexWorkflowId, sessionWorkflowId } from '../../domain/identifiers.js';
import { sessionSnapshot } from '../../domain/session.js';
import type { SessionSnapshot } from '../../domain/session.js';
import { DEFAULT_TASK_QUEUE, MONITORING_SESSION, SESSION_MEMO } from '../../domain/workflow-contract.js';
import { createSessionWorker } from '../../worker/session-worker.js';
import { aFewAtATime } from '../a-few-at-a-time.js';
import type { CleanUp } from '../clean-up.js';
import type { Pattern, Speaker } from './exclusive-channel.js';
import { until } from '../until.js';
import { runInBackground, WORKFLOW_SETTINGS } from './workers.js';
import { NAMESPACE } from '../stage/temporal-server.js';
import type { World } from './world.js';

const READY_EVERY_MS = 50;

/** Earshot as it is: its worker, its sessions, its mutex. */
export async function earshotPattern(world: World, cleanUp: CleanUp): Promise<Pattern> {
  const { client, connection, platforms, simulator } = world;
  const worker = await createSessionWorker({
    connection,
    namespace: NAMESPACE,
    taskQueue: DEFAULT_TASK_QUEUE,
    platform: platforms.earshot,
    workflowSettings: WORKFLOW_SETTINGS,
  });
  runInBackground(worker, cleanUp);

  async function startSession(interactionId: string, supervisorId: string): Promise<Speaker> {
    const input: StartSessionInput = { interactionId, supervisorId };
    const session = await client.workflow.start(MONITORING_SESSION, {
      workflowId: sessionWorkflowId(interactionId, supervisorId),
      taskQueue: DEFAULT_TASK_QUEUE,
      args: [input],
    });
    const monitorSessionId = await until(`${session.workflowId} is SILENT`, READY_EVERY_MS, async () => {
      const shown = await snapshotOf(session);
      return shown?.state === 'SILENT' ? (shown.monitorSessionId ?? undefined) : undefined;
    });
    // As the API sends them.
    const command = (): CommandSignal => ({ commandId: randomUUID(), actor: 'service' });
    return {
      workflowId: session.workflowId,
      monitorSessionId,
      barge: () => session.signal('barge', command()),
      silent: () => session.signal('silent', command()),
      isWaiting: async () => ((await snapshotOf(session))?.waiting ?? undefined) !== undefined,
    };
  }

  return {
    open: async (count) => {
      const { interactionId } = simulator.controls.addInteraction();
      const names = Array.from({ length: count }, (_, index) => `supervisor-${index}`);
      const speakers = await aFewAtATime(names, (name) => startSession(interactionId, name));
      return {
        interactionId,
        lockWorkflowId: mutexWorkflowId(interactionId),
        speakers,
        close: async () => {
          // Those behind first: nobody needs to be granted the channel on the way out.
          await aFewAtATime([...speakers].reverse(), async ({ workflowId }) => {
            const session = client.workflow.getHandle(workflowId);
            await session.signal('stop', {});
            await session.result();
          });
        },
      };
    },
  };
}

/** What the session shows in its memo; `undefined` before its first workflow task. */
async function snapshotOf(session: WorkflowHandle): Promise<SessionSnapshot | undefined> {
  const { memo } = await session.describe();
  return sessionSnapshot.safeParse(memo?.[SESSION_MEMO]).data;
}
