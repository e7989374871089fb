import type { Client, WorkflowHandle } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { until } from '../support/until.js';

export type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;
type HistoryEvent = NonNullable<History['events']>[number];

/** A signal or an update, as Temporal accepted it. */
export interface Message {
  readonly name: string;
  /**
   * It was accepted in this time, by Temporal's clock, ms since the epoch. That of an update is written down when the task
   * is done; what it led to may have happened before.
   */
  readonly fromMs: number;
  readonly atMs: number;
  readonly content: unknown;
  /** What an update was answered. */
  readonly answer: unknown;
}

/** All runs of one workflow from its start to its end, as Temporal recorded them. */
export interface Chain {
  readonly workflowId: string;
  readonly firstRunId: string;
  readonly lastRunId: string;
  readonly runs: number;
  readonly startedAtMs: number;
  /** In their order. A run that was reset shares its first ones with its successor. */
  readonly messages: readonly Message[];
  readonly closedAtMs: number | undefined;
  /** What it returned, if it did. */
  readonly result: unknown;
  /** One of each run. */
  readonly histories: readonly History[];
}

interface Run {
  readonly runId: string;
  readonly firstRunId: string;
  readonly startedAtMs: number;
  readonly events: readonly HistoryEvent[];
  readonly history: History;
}

/** The workflows that have had an id, oldest first. */
export async function chainsOf(client: Client, workflowId: string): Promise<Chain[]> {
  const runs = await runsOf(client, workflowId);
  const firstRunIds = [...new Set(runs.map(({ firstRunId }) => firstRunId))];
  return firstRunIds.map((firstRunId) => chainOf(workflowId, firstRunId, runs));
}

function chainOf(workflowId: string, firstRunId: string, allRuns: readonly Run[]): Chain {
  const runs = allRuns.filter((run) => run.firstRunId === firstRunId);
  const [first] = runs;
  const last = runs.at(-1);
  if (first === undefined || last === undefined) throw new Error(`no run of ${firstRunId}`);
  const end = last.events.at(-1);
  const isClosed = end !== undefined && isClosing(end);
  return {
    workflowId,
    firstRunId,
    lastRunId: last.runId,
    runs: runs.length,
    startedAtMs: first.startedAtMs,
    messages: runs.flatMap(({ events }) => events.flatMap((event) => messageIn(event, events))),
    closedAtMs: isClosed ? timeOf(end) : undefined,
    result: firstOf(end?.workflowExecutionCompletedEventAttributes?.result?.payloads),
    histories: runs.map(({ history }) => history),
  };
}

async function runsOf(client: Client, workflowId: string): Promise<Run[]> {
  const runIds = await until(`${workflowId} is listed`, async () => {
    const listed: string[] = [];
    for await (const { runId } of client.workflow.list({ query: `WorkflowId = '${workflowId}'` })) listed.push(runId);
    const current = await client.workflow
      .getHandle(workflowId)
      .describe()
      .catch(() => undefined);
    // Lists lag; the last one is listed last.
    return (current === undefined || listed.includes(current.runId)) && listed;
  });
  const runs = await Promise.all(
    runIds.map(async (runId): Promise<Run> => {
      const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
      const { events } = history;
      const [started] = events ?? [];
      const { firstExecutionRunId } = started?.workflowExecutionStartedEventAttributes ?? {};
      if (!events || !started || !firstExecutionRunId) throw new Error(`${workflowId} ${runId} has no beginning`);
      return { runId, firstRunId: firstExecutionRunId, startedAtMs: timeOf(started), events, history };
    }),
  );
  // A run that was reset has the beginning of its predecessor, so it is the end that tells.
  return runs.sort((one, other) => endOf(one) - endOf(other));
}

function endOf({ events, startedAtMs }: Run): number {
  const last = events.at(-1);
  return last === undefined ? startedAtMs : timeOf(last);
}

function messageIn(event: HistoryEvent, events: readonly HistoryEvent[]): Message[] {
  const signaled = event.workflowExecutionSignaledEventAttributes;
  if (signaled?.signalName) {
    const content = firstOf(signaled.input?.payloads);
    return [{ name: signaled.signalName, fromMs: timeOf(event), atMs: timeOf(event), content, answer: undefined }];
  }
  const accepted = event.workflowExecutionUpdateAcceptedEventAttributes;
  const input = accepted?.acceptedRequest?.input;
  if (!input?.name) return [];
  const given = events.find(({ eventId }) => eventId?.eq(accepted?.acceptedRequestSequencingEventId ?? -1));
  const completed = events
    .map((one) => one.workflowExecutionUpdateCompletedEventAttributes)
    .find((one) => one?.acceptedEventId?.eq(event.eventId ?? -1));
  return [
    {
      name: input.name,
      fromMs: timeOf(given ?? event),
      atMs: timeOf(event),
      content: firstOf(input.args?.payloads),
      answer: firstOf(completed?.outcome?.success?.payloads),
    },
  ];
}

type Payload = Parameters<typeof defaultPayloadConverter.fromPayload>[0];

function firstOf(payloads: readonly Payload[] | null | undefined): unknown {
  const [payload] = payloads ?? [];
  return payload === undefined ? undefined : defaultPayloadConverter.fromPayload<unknown>(payload);
}

function isClosing(event: HistoryEvent): boolean {
  return [
    event.workflowExecutionCompletedEventAttributes,
    event.workflowExecutionFailedEventAttributes,
    event.workflowExecutionCanceledEventAttributes,
    event.workflowExecutionTerminatedEventAttributes,
    event.workflowExecutionTimedOutEventAttributes,
  ].some(Boolean);
}

function timeOf({ eventTime }: HistoryEvent): number {
  return (eventTime?.seconds?.toNumber() ?? 0) * 1_000 + (eventTime?.nanos ?? 0) / 1e6;
}
