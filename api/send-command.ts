import { randomUUID } from 'node:crypto';
import { WorkflowNotFoundError } from '@temporalio/client';
import type { Request, Response } from 'express';
import { commandRequest, isFinal } from '../domain/commands.js';
import { COMMANDS_SHOWN } from '../domain/session-record.js';
import type { CommandAction, CommandResource, CommandSignal } from '../domain/commands.js';
import { parseSessionWorkflowId } from '../domain/identifiers.js';
import { awaitOutcome } from './await-outcome.js';
import { actorOf, callerOf, requireSelf, requireVoice } from './caller.js';
import { idempotencyKeyOf, keyReused } from './idempotency.js';
import { readCommand, shownBy } from './read-command.js';
import { preferenceApplied, waitOf } from './prefer.js';
import type { Wait } from './prefer.js';
import { Problem } from './problem.js';
import { contextOf } from './request-context.js';
import { noQuery } from './operations.js';
import { parseBody, parseQuery, pathPart } from './request-input.js';
import type { Handler } from './routes.js';
import { commandPath } from './session-path.js';
import { isRunId, sessionNotFound } from './session-reader.js';
import type { SessionReader } from './session-reader.js';
import { isTimeout } from './temporal-problem.js';
import type { Temporal } from './temporal-client.js';

/** How often a session may move on to its next run between the look at it and the signal. */
const ATTEMPTS = 3;

/** How long the outcome of a session that ended under way is looked for, ms. */
const LAST_LOOK_MS = 1_000;

interface Command {
  readonly sessionId: string;
  /** The session that is meant; without it, whichever runs under the id. */
  readonly runId: string | undefined;
  readonly action: CommandAction;
  readonly commandId: string;
  readonly signal: CommandSignal;
}

/**
 * `POST /v1/sessions/{sessionId}/commands`: one round trip to Temporal; one more where the session has ended, has moved
 * to another run or isn't the one meant; one more with `Prefer: wait`, and with an `Idempotency-Key`.
 */
export function sendCommand(temporal: Temporal, reader: SessionReader, stopping: AbortSignal): Handler {
  return async (request: Request, response: Response) => {
    parseQuery(noQuery, request);
    const sessionId = pathPart(request, 'sessionId');
    const { action, reason, runId } = parseBody(commandRequest, request);
    const key = idempotencyKeyOf(request);
    const commandId = key ?? randomUUID();
    const context = contextOf(request);
    context.sessionId = sessionId;
    context.commandId = commandId;
    context.action = action;
    const ids = parseSessionWorkflowId(sessionId);
    if (ids === undefined) throw sessionNotFound(sessionId);
    context.interactionId = ids.interactionId;
    const caller = callerOf(request);
    requireSelf(caller, ids.supervisorId);
    requireVoice(caller, action);

    const signal = { commandId, actor: actorOf(caller), ...(reason === undefined ? {} : { reason }) };
    const command: Command = { sessionId, runId, action, commandId, signal };
    const answer = (status: 200 | 202, shown: CommandResource): void => {
      context.command = { action, status: shown.status };
      response.location(commandPath(sessionId, commandId)).status(status).json(shown);
    };
    const before = key === undefined ? undefined : await known(reader, command);
    if (before !== undefined && isFinal(before.status)) {
      answer(200, before);
      return;
    }
    if (before === undefined && (await deliver(temporal, reader, command)) === 'ended') {
      // A repeat whose first answer was lost: it was carried out, or not, while the session ran.
      const repeated = key === undefined ? undefined : await endedCommand(temporal, reader, command);
      if (repeated !== undefined) {
        answer(200, repeated);
        return;
      }
      if (action !== 'stop') throw new Problem('session.ended', 'The session has ended; start another one.');
      context.command = { action, status: 'applied' };
      response.status(200).json({ commandId, action, status: 'applied' } satisfies CommandResource);
      return;
    }

    const wait = waitOf(request, response, stopping);
    const seen = wait.seconds > 0 ? await seenWithin(temporal, reader, command, wait) : before;
    if (seen !== undefined && seen.action !== action) throw keyReused(commandId);
    if (seen !== undefined && isFinal(seen.status)) {
      preferenceApplied(response, wait);
      answer(200, seen);
    } else answer(202, seen ?? { commandId, action, status: 'accepted' });
  };
}

/**
 * The command that came with the same key, as far as the session mirrors it: not right after it was accepted, nor once ten
 * others have come; the session itself takes a repeat for what it is then. @throws {Problem} `idempotency.key.reused`
 */
async function known(
  reader: SessionReader,
  { sessionId, runId, commandId, action }: Command,
): Promise<CommandResource | undefined> {
  // Where there is no such session, that is told when the command is delivered.
  const read = await reader.find(sessionId, runId);
  const command = read && shownBy(read, commandId);
  if (command !== undefined && command.action !== action) throw keyReused(commandId);
  return command;
}

/** A command of a session that has ended; `undefined` if it never had it. */
async function endedCommand(
  temporal: Temporal,
  reader: SessionReader,
  command: Command,
): Promise<CommandResource | undefined> {
  const current = await reader.current(command.sessionId);
  // One that ended by itself has given all its commands an outcome, and so few of them are all mirrored: no worker is needed.
  const isComplete = current?.session.endReason !== 'terminated' && (current?.commands.length ?? 0) < COMMANDS_SHOWN;
  if (isComplete && current?.commands.every(({ commandId }) => commandId !== command.commandId) === true)
    return undefined;
  try {
    const repeated = await readCommand(temporal, reader, command);
    if (repeated.action !== command.action) throw keyReused(command.commandId);
    return repeated;
  } catch (error) {
    if (error instanceof Problem && error.code === 'command.not.found') return undefined;
    throw error;
  }
}

/**
 * Signals the session. Temporal has no signal to a chain of runs, so one that is meant by its `runId` is signalled by
 * run: first the chain's first, which in all but very long sessions is the only one. A signal to a run that is over is
 * refused, so no other session ever gets it.
 */
async function deliver(
  temporal: Temporal,
  reader: SessionReader,
  { sessionId, runId, action, signal }: Command,
): Promise<'sent' | 'ended'> {
  let target = runId;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    if (target === undefined || isRunId(target)) {
      const handle = temporal.client.workflow.getHandle(sessionId, target);
      try {
        await temporal.call(() => handle.signal(action, signal));
        return 'sent';
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    }
    const current = await reader.current(sessionId);
    if (current === undefined) throw sessionNotFound(sessionId);
    if (runId !== undefined && current.session.runId !== runId) {
      throw new Problem('session.superseded', `The current session has the runId ${current.session.runId}.`);
    }
    if (!current.open) return 'ended';
    if (runId !== undefined) target = current.lastRunId;
  }
  throw new Problem('temporal.unreachable', 'The session moves on faster than it can be signalled; try again.');
}

/**
 * The command with its outcome or, after the wait, with its place in line. `undefined` if nobody could tell: the signal
 * is durable, so no trouble is an error here.
 */
async function seenWithin(
  temporal: Temporal,
  reader: SessionReader,
  { sessionId, runId, commandId }: Command,
  wait: Wait,
): Promise<CommandResource | undefined> {
  try {
    return (await awaitOutcome(temporal, { sessionId, runId, commandId }, wait)).command;
  } catch (error) {
    if (wait.signal.aborted || isTimeout(error)) return undefined;
    // The session ended meanwhile, so that its outcome is in its history.
    return readCommand(temporal, reader, { sessionId, commandId }, LAST_LOOK_MS).catch(() => undefined);
  }
}
