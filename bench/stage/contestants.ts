import { randomUUID } from 'node:crypto';
import { WithStartWorkflowOperation } from '@temporalio/client';
import type { CommandSignal } from '../../domain/commands.js';
import { sessionWorkflowId } from '../../domain/identifiers.js';
import type { MonitorMode } from '../../domain/session.js';
import type { CleanUp } from '../clean-up.js';
import { BenchProcess } from './bench-process.js';
import { FLOOR_QUEUE } from '../floor/task-queue.js';
import type { floorCommands, floorSession } from '../floor/workflows.js';
import { CLIENT } from './simulator-process.js';
import type { Stage } from './stage.js';

/** A leg of its own that does as it is told. */
export interface Commanded {
  readonly interactionId: string;
  readonly monitorSessionId: string;
  /** Resolves once whoever takes commands has taken this one: it may be carried out yet. */
  readonly send: (mode: MonitorMode) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** A way to carry out commands, and to make legs. */
export interface Contestant {
  readonly name: 'floor' | 'signal' | 'REST';
  /** A silent leg on a call of its own. */
  readonly open: () => Promise<Commanded>;
  /** Asks for a leg on the call; resolves once that is taken. `undefined` where another contestant does it alike. */
  readonly start: ((interactionId: string) => Promise<void>) | undefined;
}

/** Temporal's own minimum (bench/README.md). */
export async function floor(stage: Stage, cleanUp: CleanUp): Promise<Contestant & { readonly pid: number }> {
  const { client, simulator, temporal } = stage;
  const { pid } = await BenchProcess.start(
    {
      name: 'floor',
      entry: 'bench/floor/main.js',
      env: {
        TEMPORAL_ADDRESS: temporal.address,
        PLATFORM_BASE_URL: simulator.url,
        PLATFORM_CLIENT_ID: CLIENT.id,
        PLATFORM_CLIENT_SECRET: CLIENT.secret,
      },
      readyMessage: 'floor.ready',
    },
    cleanUp,
  );
  return {
    name: 'floor',
    pid,
    open: async () => {
      const interactionId = await simulator.call();
      const { monitorSessionId } = await simulator.platform.startMonitor({ interactionId });
      await stage.legs.activeOn(interactionId);
      const leg = { interactionId, monitorSessionId };
      const workflow = await client.workflow.start<typeof floorCommands>('floorCommands', {
        workflowId: `floor~${interactionId}`,
        taskQueue: FLOOR_QUEUE,
        args: [leg],
      });
      return {
        ...leg,
        send: async (mode) => {
          await workflow.executeUpdate<MonitorMode, [MonitorMode]>('mode', { args: [mode] });
        },
        close: async () => {
          await workflow.signal('end');
          await workflow.result();
          await simulator.platform.stopMonitor(leg);
        },
      };
    },
    start: async (interactionId) => {
      await client.workflow.executeUpdateWithStart<typeof floorSession, string, []>('start', {
        args: [],
        startWorkflowOperation: new WithStartWorkflowOperation<typeof floorSession>('floorSession', {
          workflowId: `floor~${interactionId}`,
          taskQueue: FLOOR_QUEUE,
          args: [interactionId],
          workflowIdConflictPolicy: 'FAIL',
        }),
      });
    },
  };
}

/** Earshot's sessions, commanded by signal, as the API and direct clients do it. */
export function bySignal(stage: Stage): Contestant {
  return {
    name: 'signal',
    open: () =>
      openSession(stage, async (sessionId, mode) => {
        const command: CommandSignal = { commandId: randomUUID(), actor: 'service' };
        await stage.client.workflow.getHandle(sessionId).signal(mode, command);
      }),
    start: undefined,
  };
}

/** The whole of Earshot: by its REST. */
export function byRest(stage: Stage): Contestant {
  return {
    name: 'REST',
    open: () =>
      openSession(stage, async (sessionId, action) => {
        await stage.post(`/v1/sessions/${encodeURIComponent(sessionId)}/commands`, { action });
      }),
    start: async (interactionId) => {
      await stage.post('/v1/sessions', { interactionId, supervisorId: SUPERVISOR });
    },
  };
}

/** One is enough: each has a call to themselves. */
const SUPERVISOR = 'bench';

async function openSession(
  { post, simulator, legs }: Stage,
  send: (sessionId: string, mode: MonitorMode) => Promise<void>,
): Promise<Commanded> {
  const interactionId = await simulator.call();
  const sessionId = sessionWorkflowId(interactionId, SUPERVISOR);
  await post('/v1/sessions', { interactionId, supervisorId: SUPERVISOR }, { Prefer: 'wait=30' });
  const monitorSessionId = await legs.activeOn(interactionId);
  return {
    interactionId,
    monitorSessionId,
    send: (mode) => send(sessionId, mode),
    close: async () => {
      await post(`/v1/sessions/${encodeURIComponent(sessionId)}/commands`, { action: 'stop' }, { Prefer: 'wait=30' });
    },
  };
}
