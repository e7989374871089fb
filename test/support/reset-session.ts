import { randomUUID } from 'node:crypto';
import type { SessionHandle } from './session-world.js';

type History = Awaited<ReturnType<SessionHandle['fetchHistory']>>;
type TaskId = NonNullable<History['events']>[number]['eventId'];

/** The workflow tasks that are done, by the events that say so. */
export async function tasksOf(session: SessionHandle): Promise<TaskId[]> {
  const { events } = await session.fetchHistory();
  return (events ?? []).filter((event) => event.workflowTaskCompletedEventAttributes).map(({ eventId }) => eventId);
}

/** Has a session go on from one of its tasks, as an operator's reset does. What it was told later is told again. */
export async function resetTo(
  session: SessionHandle,
  task: TaskId,
  options: Record<string, unknown> = {},
): Promise<SessionHandle> {
  if (!task) throw new Error('no history');
  await session.client.workflowService.resetWorkflowExecution({
    namespace: session.client.options.namespace,
    workflowExecution: { workflowId: session.workflowId },
    workflowTaskFinishEventId: task,
    requestId: randomUUID(),
    reason: 'test',
    ...options,
  });
  return session.client.getHandle(session.workflowId);
}

/** From before its start. */
export async function resetToBeginning(
  session: SessionHandle,
  options: Record<string, unknown> = {},
): Promise<SessionHandle> {
  return resetTo(session, (await tasksOf(session)).at(0), options);
}
