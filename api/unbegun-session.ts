import type { WorkflowHandle } from '@temporalio/client';
import { decodeFromPayloadsAtIndex } from '@temporalio/common/lib/internal-non-workflow/codec-helpers.js';
import { commandAction, commandSignal, startSessionInput } from '../domain/commands.js';
import { findCommand, newSessionRecord } from '../domain/session-record.js';
import type { SessionRecord } from '../domain/session-record.js';
import type { SessionSnapshot } from '../domain/session.js';
import type { SessionReport } from '../domain/session-report.js';
import type { Temporal } from './temporal-client.js';

type HistoryEvent = NonNullable<Awaited<ReturnType<WorkflowHandle['fetchHistory']>>['events']>[number];

/**
 * What is known of a session that was over before any worker took it up, by what Temporal has kept of it: who started it
 * and why, and which commands were accepted for it. None of them was carried out. One round trip, and no worker, which could
 * not answer for it.
 */
export async function unbegunReport(temporal: Temporal, session: SessionSnapshot): Promise<SessionReport> {
  const { sessionId, runId, interactionId, supervisorId, startedAt } = session;
  const workflow = temporal.client.workflow.getHandle(sessionId, runId);
  const { events } = await temporal.call(() => workflow.fetchHistory());
  const started = events?.[0]?.workflowExecutionStartedEventAttributes?.input;
  const input = startSessionInput.safeParse(await valueOf(temporal, started)).data ?? { interactionId, supervisorId };
  let record = newSessionRecord(input, { sessionId, runId }, startedAt);
  for (const event of events ?? []) {
    const sent = await valueOf(temporal, event.workflowExecutionSignaledEventAttributes?.input);
    record = withSignal(record, event, sent);
  }
  return { session, commands: [...record.commands], history: [...record.history] };
}

function withSignal(record: SessionRecord, event: HistoryEvent, payload: unknown): SessionRecord {
  const signal = event.workflowExecutionSignaledEventAttributes;
  const action = commandAction.safeParse(signal?.signalName).data;
  const sent = commandSignal.safeParse(payload ?? {}).data;
  if (action === undefined || sent === undefined) return record;

  // Only the session would have named one that has no name; by its place in Temporal's history it can be told apart.
  const commandId = sent.commandId ?? `signal:${String(event.eventId)}`;
  if (findCommand(record, commandId) !== undefined) return record;
  const { seconds = 0, nanos = 0 } = event.eventTime ?? {};
  const at = new Date(Number(seconds) * 1_000 + Math.floor(Number(nanos) / 1e6)).toISOString();
  return {
    ...record,
    commands: [...record.commands, { commandId, action, status: 'accepted' }],
    history: [...record.history, { ...sent, type: 'command.accepted', at, commandId, action }],
  };
}

/** The first value of a message, if it can be read; its sender may be anybody. */
async function valueOf(
  { client }: Temporal,
  message: { readonly payloads?: object[] | null } | null | undefined,
): Promise<unknown> {
  if ((message?.payloads ?? []).length === 0) return undefined;
  try {
    return await decodeFromPayloadsAtIndex<unknown>(client.options.loadedDataConverter, 0, message?.payloads);
  } catch {
    return undefined;
  }
}
