import { TOKEN_KEEPER, tokenKeeperId } from '../../domain/token-keeper.js';
import { mutexWorkflowId } from '../../domain/identifiers.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionHandle, SessionWorld } from '../support/session-world.js';
import { listener, memoOf, settled } from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';
import { recordedRunOf } from './corpus.js';
import type { RecordedRun } from './corpus.js';

/** What one workflow takes; a few are filled up here, so that no message reaches them. */
export const SIGNALS_TAKEN = 40;

/** Short, so that waiting for the end of a wait does not take long. */
export const WAIT_SECONDS = 6;

const NEVER_MS = 3_600_000;

/** Where scenarios are played. */
export interface Stage extends AsyncDisposable {
  readonly temporal: TestTemporal;
  /** Sessions by themselves: nobody sweeps, nobody listens to events. */
  readonly world: SessionWorld;
  /** Likewise; here workers may be stopped. */
  readonly away: SessionWorld;
  /** Its worker listens to events and to media, sweeps, and keeps its token. */
  readonly tended: SessionWorld;
  /** Another Temporal, where a history counts as long after 60 events; with sweep and token keeper. */
  readonly brief: SessionWorld;
}

/** A history's story. */
export interface Scenario {
  /** Of its file. */
  readonly name: string;
  /** One sentence for the index. */
  readonly shows: string;
  readonly play: (stage: Stage) => Promise<readonly RecordedRun[]>;
}

export async function openStage(): Promise<Stage> {
  const temporal = await startTemporal({ 'history.maximumSignalsPerExecution': SIGNALS_TAKEN });
  const briefTemporal = await startTemporal({ 'limit.historyCount.suggestContinueAsNew': 60 });
  const short = { confirmTimeoutSeconds: 3, bargeWaitSeconds: WAIT_SECONDS, timeouts: { startMs: 1_000 } };
  const world = await createSessionWorld(temporal, { ...short, channelIdleMs: 0, simulator: { seed: 'world' } });
  const away = await createSessionWorld(temporal, { ...short, channelIdleMs: 0, simulator: { seed: 'away' } });
  const tended = await createSessionWorld(temporal, {
    ...short,
    simulator: { seed: 'tended', mediaMetricsIntervalSeconds: 0 },
    cleaning: { intervalMs: NEVER_MS, followsEvents: true },
    media: {
      limits: { packetLoss: 0.03, jitterMs: 30, badSamples: 3, goodSamples: 6, changesPerMinute: 60 },
      pollMs: 2_000,
    },
    keepsTokens: true,
  });
  const brief = await createSessionWorld(briefTemporal, {
    ...short,
    bargeWaitSeconds: 60,
    channelIdleMs: 0,
    simulator: { seed: 'brief', tokenLifetimeSeconds: 4 },
    cleaning: { intervalMs: 500, followsEvents: false },
    keepsTokens: true,
  });
  return {
    temporal,
    world,
    away,
    tended,
    brief,
    async [Symbol.asyncDispose]() {
      for (const one of [world, away, tended, brief]) await one[Symbol.asyncDispose]();
      await temporal.teardown();
      await briefTemporal.teardown();
    },
  };
}

/** The histories of sessions, once they have ended. */
export async function ended(...sessions: readonly SessionHandle[]): Promise<RecordedRun[]> {
  const runs: RecordedRun[] = [];
  for (const session of sessions) {
    await session.result().catch(() => undefined);
    runs.push(await recordedRunOf(bound(session)));
  }
  return runs;
}

/** Stops sessions, one after the other, and takes their histories. */
export async function stopped(...sessions: readonly SessionHandle[]): Promise<RecordedRun[]> {
  for (const session of sessions) {
    await session.signal('stop', { commandId: 'stop' });
    await session.result();
  }
  return ended(...sessions);
}

/** The history of the mutex of an interaction as it is, or once it has ended by itself. */
export async function mutexOf(world: SessionWorld, interactionId: string, isOver = true): Promise<RecordedRun> {
  const mutex = world.temporal.client.workflow.getHandle(mutexWorkflowId(interactionId));
  if (isOver) {
    await until('the mutex has ended', async () => (await mutex.describe()).status.name !== 'RUNNING');
  }
  return recordedRunOf(bound(mutex));
}

/** A run of a workflow, or its latest one, once it is between two tasks, or over. */
export async function runOf(world: SessionWorld, workflowId: string, runId?: string): Promise<RecordedRun> {
  return recordedRunOf(bound(world.temporal.client.workflow.getHandle(workflowId, runId)));
}

function bound(handle: { workflowId: string; fetchHistory: SessionHandle['fetchHistory'] }) {
  return { workflowId: handle.workflowId, fetchHistory: () => handle.fetchHistory() };
}

/** All runs of a workflow until there are so many that have continued as new, and the one that goes on. */
export async function chainOf(world: SessionWorld, workflowId: string, continued: number): Promise<RecordedRun[]> {
  const { workflow } = world.temporal.client;
  const ids = await until(`${workflowId} has continued`, async () => {
    const found: string[] = [];
    for await (const run of workflow.list({ query: `WorkflowId = '${workflowId}'` })) {
      if (run.status.name === 'CONTINUED_AS_NEW') found.unshift(run.runId);
    }
    return found.length >= continued && found.slice(0, continued);
  });
  const runs: RecordedRun[] = [];
  for (const id of ids) runs.push(await runOf(world, workflowId, id));
  return runs;
}

/** Who speaks. */
export async function holder(world: SessionWorld, interactionId: string, supervisorId: string): Promise<SessionHandle> {
  const session = await listener(world, interactionId, supervisorId);
  await done(session, 'barge', 'first');
  return session;
}

/** Sends a command and waits for its outcome. */
export async function done(session: SessionHandle, action: string, commandId: string): Promise<void> {
  await session.signal(action, { commandId });
  await settled(session, commandId);
}

/** The leg of a session. */
export async function legOf(session: SessionHandle): Promise<string> {
  const { monitorSessionId } = await memoOf(session);
  if (monitorSessionId === null) throw new Error(`${session.workflowId} has no leg`);
  return monitorSessionId;
}

/** The keeper of the token of a world's worker, by the count of its starts. */
export const keeperId = (world: SessionWorld, nth = 1): string => tokenKeeperId(`${world.taskQueue}:${nth}`);
export { TOKEN_KEEPER };
