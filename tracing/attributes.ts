import type { Attributes } from '@opentelemetry/api';
import { parseSessionWorkflowId } from '../domain/identifiers.js';

/**
 * Ids and codes, and nothing else, is what spans have: no text of anybody, no token, no key, no header, no path or query of a
 * request. Add to this list with that in mind (docs/decisions/0020-tracing.md).
 */
export interface Subject {
  readonly sessionId?: string | undefined;
  readonly interactionId?: string | undefined;
  readonly commandId?: string | undefined;
}

export function attributesOf({ sessionId, interactionId, commandId }: Subject): Attributes {
  return {
    ...(sessionId === undefined ? {} : { 'earshot.session.id': sessionId }),
    ...(interactionId === undefined ? {} : { 'earshot.interaction.id': interactionId }),
    ...(commandId === undefined ? {} : { 'earshot.command.id': commandId }),
  };
}

/** Of the session whose workflow that is; `undefined`: it is something else. */
export function attributesOfSession(workflowId: string): Attributes | undefined {
  const ids = parseSessionWorkflowId(workflowId);
  return ids && attributesOf({ sessionId: workflowId, interactionId: ids.interactionId });
}
