import { awaitCommandUpdate } from '../../workflows/session-messages.js';
import { isFinal } from '../../domain/commands.js';
import { isExclusive, stateOfMode } from '../../domain/session.js';
import { mutexWorkflowId } from '../../domain/identifiers.js';
import { channelOf, memoOf } from '../support/sessions.js';
import { until } from '../support/until.js';
import { listens } from './call.js';
import type { Call } from './call.js';
import type { PlayedSession } from './played-session.js';

/**
 * Until every command has its outcome and every leg is as its session shows it, ms. A wait takes 3 s, or 18 where the mutex
 * was terminated; a change that was not confirmed is looked into after 10 s.
 */
const QUIET_WITHIN_MS = 45_000;

/** What it takes to get through on a channel that nobody uses any more, whoever died holding it, ms. */
const THROUGH_WITHIN_MS = 10_000;

/** Waits until nothing moves any more; what never came to rest, or to another one than it was to. */
export async function comeToRest(call: Call): Promise<string[]> {
  call.calmDown();
  if (call.isOver) await Promise.all(call.running.map((session) => session.endInteraction()));
  const limit = Date.now() + QUIET_WITHIN_MS;
  const faults = await Promise.all(
    call.sessions.map(async (session) => {
      switch (session.fate) {
        case 'ending':
          return fault(`${session.name} is over`, () => session.isOver(), limit);
        case 'running':
          return (await fault(`${session.name} is quiet`, () => isQuiet(call, session), limit)) ?? stillRuns(session);
        case 'terminated':
          return undefined;
      }
    }),
  );
  return faults.filter((one) => one !== undefined);
}

/** Rule 4, last part: on a call that goes on, somebody new gets through at once. */
export async function letNewcomerSpeak(call: Call): Promise<string[]> {
  if (call.isOver) return [];
  await Promise.all(call.running.map((session) => session.send('silent', call.nextCommandId())));
  const newcomer = await call.start('zoe');
  if (newcomer === undefined) return ['zoe has a session already'];
  await listens(newcomer.handle);
  const limit = Date.now() + THROUGH_WITHIN_MS;
  const through = async (): Promise<boolean> => {
    const commandId = call.nextCommandId();
    await newcomer.send('barge', commandId);
    return (await outcomeOf(newcomer, commandId)) === 'applied';
  };
  const failed = await fault('a newcomer speaks', through, limit);
  return failed === undefined ? [] : [failed];
}

/** Ends what still runs; what does not end, or holds the channel after that. */
export async function stopAll(call: Call): Promise<string[]> {
  await Promise.all(call.running.map((session) => session.send('stop', call.nextCommandId())));
  const limit = Date.now() + QUIET_WITHIN_MS;
  const stopping = call.sessions.filter(({ fate }) => fate === 'ending');
  const faults = await Promise.all(
    stopping.map((session) => fault(`${session.name} is over`, () => session.isOver(), limit)),
  );
  // Who died with the channel is found out when somebody else wants it, and after a hang-up nobody does.
  const mayHoldForEver = call.isOver && call.sessions.some(({ fate }) => fate === 'terminated');
  if (!mayHoldForEver) faults.push(await fault('the channel is free', () => isFree(call), Date.now() + 5_000));
  return faults.filter((one) => one !== undefined);
}

async function isQuiet(call: Call, session: PlayedSession): Promise<boolean> {
  for (const commandId of session.commandIds) {
    if ((await outcomeOf(session, commandId)) === undefined) return false;
  }
  const shown = await memoOf(session.handle);
  if (shown.state === 'PENDING' || shown.waiting !== null) return false;
  const leg = call.world.simulator.ledger
    .legs({ interactionId: call.interactionId, live: true })
    .find(({ monitorSessionId }) => monitorSessionId === shown.monitorSessionId);
  const mode = leg?.modes.at(-1)?.mode;
  if (mode === undefined || shown.state !== stateOfMode(mode)) return false;
  return !isExclusive(mode) || (await isHolder(call, session));
}

/** Whether the session has the channel; of one that got it from a mutex that was terminated, no other one knows. */
async function isHolder(call: Call, { handle }: PlayedSession): Promise<boolean> {
  if (call.mutexesTerminated > 0) return true;
  return (await channelOf(call.world, call.interactionId)).holder?.sessionId === handle.workflowId;
}

async function stillRuns(session: PlayedSession): Promise<string | undefined> {
  if (!(await session.isOver())) return undefined;
  const { endReason } = await memoOf(session.handle);
  return `${session.name} has ended, and nobody has ended it: ${endReason ?? 'no reason'}`;
}

/** `undefined`: it has none yet. */
async function outcomeOf({ handle }: PlayedSession, commandId: string): Promise<string | undefined> {
  const { command } = await handle.executeUpdate(awaitCommandUpdate, { args: [{ commandId, waitMs: 20_000 }] });
  return isFinal(command.status) ? command.status : undefined;
}

async function isFree(call: Call): Promise<boolean> {
  const mutex = call.world.temporal.client.workflow.getHandle(mutexWorkflowId(call.interactionId));
  const description = await mutex.describe().catch(() => undefined);
  if (description?.status.name !== 'RUNNING') return true;
  const { holder, waiting } = await channelOf(call.world, call.interactionId);
  return holder === null && waiting.length === 0;
}

/** What was to be and was not, with the last error. */
async function fault(what: string, probe: () => Promise<boolean>, limitAtMs: number): Promise<string | undefined> {
  try {
    await until(what, probe, Math.max(1, limitAtMs - Date.now()));
    return undefined;
  } catch (error) {
    const { message, cause } = error instanceof Error ? error : new Error(String(error));
    return cause instanceof Error ? `${message} (${cause.message})` : message;
  }
}
