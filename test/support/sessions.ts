import type { WorkflowHandle } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { z } from 'zod';
import { isFinal } from '../../domain/commands.js';
import type { CommandResource } from '../../domain/commands.js';
import type { SessionState, SessionSnapshot } from '../../domain/session.js';
import { sessionSnapshot } from '../../domain/session.js';
import { channelReport } from '../../domain/channel.js';
import type { ChannelReport } from '../../domain/channel.js';
import { mutexWorkflowId } from '../../domain/identifiers.js';
import { sessionReport } from '../../domain/session-report.js';
import { COMMANDS_MEMO, commandsMemo, SESSION_MEMO } from '../../domain/workflow-contract.js';
import type { SessionReport } from '../../domain/session-report.js';
import type { SessionHandle, SessionWorld } from './session-world.js';
import { until } from './until.js';

/** What the session says of itself. */
export async function reportOf(session: SessionHandle): Promise<SessionReport> {
  return sessionReport.parse(await queriedAtRest(session));
}

/**
 * What a workflow answers between its tasks. A query that comes with a task can make a history that differs at replay
 * (docs/decisions/0002-at-once-then-patiently.md), and tests ask far more often than anybody else would.
 */
async function queriedAtRest(workflow: Pick<WorkflowHandle, 'describe' | 'query' | 'workflowId'>): Promise<unknown> {
  await until(
    `${workflow.workflowId} is between two tasks`,
    async () => ((await workflow.describe()).raw.pendingWorkflowTask ?? undefined) === undefined,
  );
  return workflow.query('state');
}

/** What lists and reads without a worker show. */
export async function memoOf(session: SessionHandle): Promise<SessionSnapshot> {
  const { memo } = await session.describe();
  return sessionSnapshot.parse(memo?.[SESSION_MEMO]);
}

/**
 * What the session mirrors, which costs a third of a query and no worker. After a reset what stands there may be of the run
 * that it replaces: then what its own history has mirrored.
 */
async function mirrorOf(session: SessionHandle): Promise<Pick<SessionReport, 'session' | 'commands'>> {
  const { memo, runId } = await session.describe();
  const shown = sessionSnapshot.safeParse(memo?.[SESSION_MEMO]).data;
  const mirror = shown?.runId === runId ? memo : await mirroredByItself(session);
  return {
    session: sessionSnapshot.parse(mirror?.[SESSION_MEMO]),
    commands: commandsMemo.parse(mirror?.[COMMANDS_MEMO] ?? []),
  };
}

/** Unlike a query it comes with no task, where it could make a history that differs at replay. */
async function mirroredByItself(session: SessionHandle): Promise<Record<string, unknown>> {
  const { events } = await session.fetchHistory();
  const mirrored = (events ?? []).flatMap((event) => {
    const begun = event.workflowExecutionStartedEventAttributes?.memo?.fields;
    return Object.entries(begun ?? event.workflowPropertiesModifiedEventAttributes?.upsertedMemo?.fields ?? {});
  });
  return Object.fromEntries(
    mirrored.map(([key, payload]) => [key, defaultPayloadConverter.fromPayload<unknown>(payload)]),
  );
}

/** Who has an interaction's exclusive channel, and who waits for it, as the mutex has it. */
export async function channelOf(world: SessionWorld, interactionId: string): Promise<ChannelReport> {
  const mutex = world.temporal.client.workflow.getHandle(mutexWorkflowId(interactionId));
  return channelReport.parse(await queriedAtRest(mutex));
}

export async function reached(session: SessionHandle, state: SessionState, limitMs?: number): Promise<void> {
  await until(
    `${session.workflowId} is ${state}`,
    async () => (await mirrorOf(session)).session.state === state,
    limitMs,
  );
}

/** Starts a session and waits until it listens. */
export async function listener(
  world: Pick<SessionWorld, 'start'>,
  interactionId: string,
  supervisorId = 'anna',
): Promise<SessionHandle> {
  const session = await world.start({ interactionId, supervisorId });
  await reached(session, 'SILENT');
  return session;
}

/** Waits until it is at that place in line; when its wait is over, ms since the epoch. */
export async function inLine(session: SessionHandle, position: number): Promise<number> {
  return until(`${session.workflowId} is at ${position}`, async () => {
    const { waiting } = await memoOf(session);
    return waiting?.position === position && Date.parse(waiting.expiresAt);
  });
}

/** Waits until lists show it, so that an event finds it. */
export async function listed(session: SessionHandle): Promise<void> {
  await until(`${session.workflowId} is listed`, async () => {
    for await (const { workflowId } of session.client.list({ query: "ExecutionStatus = 'Running'" })) {
      if (workflowId === session.workflowId) return true;
    }
    return false;
  });
}

/** Stops sessions, one after the other, and waits for their end. */
export async function stopped(...sessions: readonly SessionHandle[]): Promise<void> {
  for (const session of sessions) {
    await session.signal('stop');
    await session.result();
  }
}

export async function settled(session: SessionHandle, commandId: string, limitMs?: number): Promise<CommandResource> {
  return until(
    `${commandId} has its outcome`,
    async () => {
      const named = ({ commands }: Pick<SessionReport, 'commands'>) =>
        commands.find((one) => one.commandId === commandId);
      const command = named(await mirrorOf(session)) ?? named(await reportOf(session));
      return command !== undefined && isFinal(command.status) && command;
    },
    limitMs,
  );
}

/** How often the platform was asked to do something for an interaction. */
export function asked(world: SessionWorld, interactionId: string, action: string): number {
  return world.simulator.ledger.requests({ interactionId, action }).length;
}

/** Rule 1 at the end of a session: the legs that were made, every one of them gone. */
export function legsGone(world: SessionWorld, interactionId: string): number {
  const live = world.simulator.ledger.legs({ interactionId, live: true });
  if (live.length > 0) throw new Error(`still live: ${live.map((leg) => leg.monitorSessionId).join(', ')}`);
  return world.simulator.ledger.legs({ interactionId }).length;
}

const failure = z.object({ cause: z.object({ type: z.string(), message: z.string() }) });

/** Type and message of what a rejected update or failed workflow gave as its cause. */
export async function causeOf(attempt: Promise<unknown>): Promise<{ type: string; message: string }> {
  try {
    await attempt;
  } catch (error) {
    return failure.parse(error).cause;
  }
  throw new Error('expected it to fail, but it succeeded');
}
