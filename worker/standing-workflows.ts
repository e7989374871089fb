import { WorkflowNotFoundError } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import {
  INTERACTION_SWEEP,
  INTERACTION_SWEEP_ID,
  PLATFORM_EVENTS,
  PLATFORM_EVENTS_ID,
  SWEEP_SETTINGS,
} from '../domain/sweep.js';
import type { SweepSettings } from '../domain/sweep.js';
import { TOKEN_KEEPER, tokenKeeperId } from '../domain/token-keeper.js';
import type { TokenKeeperInput } from '../domain/token-keeper.js';

/** How often it is made sure that the workflows of which there is one still run, ms: somebody may have ended them. */
const ENSURED_EVERY_MS = 60_000;

export interface StandingWorkflowsOptions {
  readonly client: Client;
  readonly taskQueue: string;
  readonly sweep: SweepSettings;
  /** Whether the platform is listened to: its events, or how legs are heard. */
  readonly listens: boolean;
  /** Of this worker, if a `tokenKeeper` looks after its token. */
  readonly workerId?: string;
}

/**
 * Starts the workflows of which a deployment has one each, where they do not run, and tells them the settings of this
 * worker; and the one that keeps its token. Any number of workers may do so at the same time.
 */
export async function startStandingWorkflows(options: StandingWorkflowsOptions): Promise<void> {
  const { client, taskQueue, sweep, listens } = options;
  const { workflow } = client;
  await startKeeper(options);
  await workflow.signalWithStart(INTERACTION_SWEEP, {
    ...sweepStart(taskQueue, sweep),
    signal: SWEEP_SETTINGS,
    signalArgs: [sweep],
  });
  if (listens) {
    await workflow.start(PLATFORM_EVENTS, eventsStart(taskQueue));
    return;
  }
  try {
    await workflow.getHandle(PLATFORM_EVENTS_ID).cancel();
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}

/** Starts them, and again whenever they do not run any more, until what it returns is called. */
export async function keepStandingWorkflows(options: StandingWorkflowsOptions, log: Logger): Promise<() => void> {
  const { client, taskQueue, sweep, listens } = options;
  await startStandingWorkflows(options);
  const ensure = async (): Promise<void> => {
    try {
      await client.workflow.start(INTERACTION_SWEEP, sweepStart(taskQueue, sweep));
      if (listens) await client.workflow.start(PLATFORM_EVENTS, eventsStart(taskQueue));
      await startKeeper(options);
    } catch (error) {
      log.warn({ err: error }, 'standing-workflows.not-ensured');
    }
  };
  const timer = setInterval(() => void ensure(), ENSURED_EVERY_MS);
  return () => clearInterval(timer);
}

/** The keeper of this worker's own token. */
async function startKeeper({ client, taskQueue, workerId }: StandingWorkflowsOptions): Promise<void> {
  if (workerId === undefined) return;
  await client.workflow.start(TOKEN_KEEPER, {
    workflowId: tokenKeeperId(workerId),
    taskQueue,
    args: [{ workerId } satisfies TokenKeeperInput],
    workflowIdConflictPolicy: 'USE_EXISTING',
    staticSummary: 'Keeps the platform’s token of one worker fresh',
  });
}

function sweepStart(taskQueue: string, sweep: SweepSettings) {
  return {
    workflowId: INTERACTION_SWEEP_ID,
    taskQueue,
    args: [sweep],
    workflowIdConflictPolicy: 'USE_EXISTING',
    staticSummary: 'Finds out what nobody told: calls that are over, legs that nobody owns',
  } as const;
}

function eventsStart(taskQueue: string) {
  return {
    workflowId: PLATFORM_EVENTS_ID,
    taskQueue,
    args: [],
    workflowIdConflictPolicy: 'USE_EXISTING',
    staticSummary: 'Listens to the platform, for the whole deployment: its events, and how legs are heard',
  } as const;
}
