import { isFinal } from '../domain/commands.js';
import type { CommandResource } from '../domain/commands.js';
import { Problem } from './problem.js';
import { contextOf } from './request-context.js';
import { noQuery, parseQuery, pathPart } from './request-input.js';
import type { Handler } from './routes.js';
import type { SessionReader } from './session-reader.js';
import { readReport } from './session-report.js';
import type { Temporal } from './temporal-client.js';

/** `GET /v1/sessions/{sessionId}/commands/{commandId}`: one query; one more round trip while it has no outcome. */
export function getCommand(temporal: Temporal, reader: SessionReader): Handler {
  return async (request, response) => {
    parseQuery(noQuery, request);
    const sessionId = pathPart(request, 'sessionId');
    const commandId = pathPart(request, 'commandId');
    const context = contextOf(request);
    context.sessionId = sessionId;
    context.commandId = commandId;
    response.json(await readCommand(temporal, reader, { sessionId, commandId }));
  };
}

/** `GET /v1/sessions/{sessionId}/history`: one query. */
export function getHistory(temporal: Temporal, reader: SessionReader): Handler {
  return async (request, response) => {
    parseQuery(noQuery, request);
    const sessionId = pathPart(request, 'sessionId');
    contextOf(request).sessionId = sessionId;
    const { history } = await readReport(temporal, reader, sessionId);
    response.json({ items: history });
  };
}

/**
 * A command of the session that is or was last under the id.
 * @throws {Problem} `session.not.found`, `command.not.found`, `workers.unavailable`
 */
export async function readCommand(
  temporal: Temporal,
  reader: SessionReader,
  { sessionId, commandId }: { readonly sessionId: string; readonly commandId: string },
  limitMs?: number,
): Promise<CommandResource> {
  const { commands } = await readReport(temporal, reader, sessionId, limitMs === undefined ? {} : { limitMs });
  const command = commands.find((known) => known.commandId === commandId);
  if (command === undefined) {
    throw new Problem('command.not.found', `The session ${sessionId} knows no command ${commandId}.`);
  }
  if (isFinal(command.status)) return command;
  // A session that was terminated in Temporal can give its commands no outcome any more.
  const current = await reader.current(sessionId);
  return current?.open === false ? cutShort(command) : command;
}

function cutShort(command: CommandResource): CommandResource {
  const { commandId, action } = command;
  // Nobody knows what became of the leg, so neither the start nor a stop can claim to have succeeded.
  const status = action === 'start' || action === 'stop' ? 'failed' : 'cancelled';
  return { commandId, action, status, reason: 'terminated' };
}
