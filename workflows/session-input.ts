import { startSessionInput } from '../domain/commands.js';
import type { StartSessionInput } from '../domain/commands.js';
import { sessionWorkflowId } from '../domain/identifiers.js';
import { parsed, requireWorkflowId } from './workflow-input.js';

/**
 * The input of a session, which is started under the one right id.
 * @throws ApplicationFailure `invalid.request`, `session.id.mismatch`
 */
export function parseInput(input: unknown): StartSessionInput {
  const valid = parsed(startSessionInput, input);
  requireWorkflowId(
    sessionWorkflowId(valid.interactionId, valid.supervisorId),
    'session.id.mismatch',
    'a session for this interaction and supervisor must be started as workflow id',
  );
  return valid;
}
