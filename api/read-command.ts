import { isFinal } from '../domain/commands.js';
import type { CommandResource } from '../domain/commands.js';
import type { SessionReport } from '../domain/session-report.js';
import { Problem } from './problem.js';
import { contextOf } from './request-context.js';
import { sessionRunQuery } from './operations.js';
import { parseQuery, pathPart } from './request-input.js';
import type { Handler } from './routes.js';
import type { ReadSession, SessionReader } from './session-reader.js';
import { readReport } from './session-report.js';
import type { Temporal } from './temporal-client.js';

/** A command, and the session that it is of: the current one, or the one whose first run is `runId`. */
interface CommandOfSession {
  readonly sessionId: string;
  readonly commandId: string;
  readonly runId?: string | undefined;
}

/**
 * `GET /v1/sessions/{sessionId}/commands/{commandId}`: one round trip for the latest commands of a session; a look and a
 * query more for the others, and up to three where they have no outcome.
 */
export function getCommand(temporal: Temporal, reader: SessionReader): Handler {
  return async (request, response) => {
    const { runId } = parseQuery(sessionRunQuery, request);
    const sessionId = pathPart(request, 'sessionId');
    const commandId = pathPart(request, 'commandId');
    const context = contextOf(request);
    context.sessionId = sessionId;
    context.commandId = commandId;
    response.json(await readCommand(temporal, reader, { sessionId, commandId, runId }));
  };
}

/**
 * A command of the session that is or was last under the id, or of an older one by its `runId`: as the session mirrors it,
 * which takes one round trip (an older one two) and no worker, or as only the session itself knows it.
 * @throws {Problem} `session.not.found`, `command.not.found`, `workers.unavailable`
 */
export async function readCommand(
  temporal: Temporal,
  reader: SessionReader,
  { sessionId, commandId, runId }: CommandOfSession,
  limitMs?: number,
): Promise<CommandResource> {
  const read = await reader.read(sessionId, runId, limitMs);
  const shown = shownBy(read, commandId);
  if (shown !== undefined) return shown;
  try {
    const run = runId === undefined ? undefined : read.lastRunId;
    return await askedFor(temporal, reader, { sessionId, commandId, runId, run }, limitMs);
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'workers.unavailable') throw error;
    // A session that never rested, and perhaps has come to this command meanwhile.
    const late = shownBy(await reader.read(sessionId, runId, limitMs), commandId);
    if (late === undefined) throw error;
    return late;
  }
}

/** A command as its session mirrors it, if it does. */
export function shownBy({ commands, open }: ReadSession, commandId: string): CommandResource | undefined {
  const command = commands.find((known) => known.commandId === commandId);
  return command === undefined || open || isFinal(command.status) ? command : cutShort(command);
}

/** Of the session itself. @param run the workflow's run that carries an older session */
async function askedFor(
  temporal: Temporal,
  reader: SessionReader,
  { sessionId, commandId, runId, run }: CommandOfSession & { readonly run: string | undefined },
  limitMs?: number,
): Promise<CommandResource> {
  const options = limitMs === undefined ? {} : { limitMs };
  const report = await readReport(temporal, reader, sessionId, { ...options, runId: run });
  const command = commandOf(report, commandId);
  if (isFinal(command.status)) return command;

  // Is it still under way? A session that was terminated in Temporal answers as if it still ran.
  const now = await (runId === undefined ? reader.current(sessionId, limitMs) : reader.find(sessionId, runId, limitMs));
  if (now === undefined) return command;
  const { open, lastRunId, session } = now;
  if (open && session.runId === report.session.runId) return command;
  // One that ended by itself between the two looks has given its commands their outcomes by now.
  const last = commandOf(await readReport(temporal, reader, sessionId, { ...options, runId: lastRunId }), commandId);
  return open || isFinal(last.status) ? last : cutShort(last);
}

function commandOf({ session, commands }: SessionReport, commandId: string): CommandResource {
  const command = commands.find((known) => known.commandId === commandId);
  if (command !== undefined) return command;
  throw new Problem('command.not.found', `The session ${session.sessionId} knows no command ${commandId}.`);
}

/** What a command comes to whose session can give it no outcome any more; its place in line is a thing of the past. */
function cutShort(command: CommandResource): CommandResource {
  const { commandId, action } = command;
  // Nobody knows what became of the leg, so neither the start nor a stop can claim to have succeeded.
  const status = action === 'start' || action === 'stop' ? 'failed' : 'cancelled';
  return { commandId, action, status, reason: 'terminated' };
}
