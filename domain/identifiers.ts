import { z } from 'zod';

/** Longest interaction or supervisor id accepted, in UTF-16 code units (`platform-api.md`: identifiers are 1–128 characters). */
const ID_MAX_LENGTH = 128;

/**
 * Longest *encoded* id. Temporal refuses workflow ids over 1,000 bytes, and a session's holds two ids; an id of 128
 * three-byte characters would take 1,152.
 */
const ENCODED_ID_MAX_LENGTH = 480;

const SESSION_PREFIX = 'session';
const MUTEX_PREFIX = 'barge-mutex';
const SEPARATOR = '~';

// Control characters and lone surrogates are never part of an identifier; databases and URLs choke on both.
const UNUSABLE_CHARACTER = /[\p{Cc}\p{Surrogate}]/u;

/** An interaction or supervisor id as callers and the platform spell it: opaque, 1–128 characters. */
export const externalId = z
  .string()
  .min(1)
  .max(ID_MAX_LENGTH)
  .refine((id) => !UNUSABLE_CHARACTER.test(id), 'must not contain control characters or lone surrogates')
  .refine(
    (id) => UNUSABLE_CHARACTER.test(id) || encodeIdPart(id).length <= ENCODED_ID_MAX_LENGTH,
    `must be at most ${ENCODED_ID_MAX_LENGTH} characters once percent-encoded`,
  );

/** A command id chosen by a caller (`Idempotency-Key`, or the signal's `commandId`). */
export const commandIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{1,128}$/, 'must be 1–128 characters of A-Z a-z 0-9 . _ : -');

/**
 * Percent-encodes every character outside `[A-Za-z0-9._:@-]` as UTF-8, so that `~` separates the parts of a workflow id
 * without doubt.
 */
export function encodeIdPart(id: string): string {
  return encodeURIComponent(id)
    .replaceAll(/[!~*'()]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%3A', ':')
    .replaceAll('%40', '@');
}

/** The workflow id of the one session that a supervisor can have on an interaction; it is the `sessionId` of REST. */
export function sessionWorkflowId(interactionId: string, supervisorId: string): string {
  return [SESSION_PREFIX, encodeIdPart(interactionId), encodeIdPart(supervisorId)].join(SEPARATOR);
}

/** The workflow id of the one writer of an interaction's exclusive channel. */
export function mutexWorkflowId(interactionId: string): string {
  return [MUTEX_PREFIX, encodeIdPart(interactionId)].join(SEPARATOR);
}

/** Takes a session's workflow id apart; `undefined` if it is none, or not spelled as {@link sessionWorkflowId} does. */
export function parseSessionWorkflowId(
  workflowId: string,
): { readonly interactionId: string; readonly supervisorId: string } | undefined {
  const [prefix, interactionPart, supervisorPart, ...rest] = workflowId.split(SEPARATOR);
  if (prefix !== SESSION_PREFIX || interactionPart === undefined || supervisorPart === undefined || rest.length > 0) {
    return undefined;
  }
  const interactionId = decode(interactionPart);
  const supervisorId = decode(supervisorPart);
  if (interactionId === undefined || supervisorId === undefined) return undefined;
  return sessionWorkflowId(interactionId, supervisorId) === workflowId ? { interactionId, supervisorId } : undefined;
}

/** What {@link encodeIdPart} has encoded; `undefined` for a malformed percent sequence. */
export function decodeIdPart(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

function decode(part: string): string | undefined {
  return externalId.safeParse(decodeIdPart(part)).data;
}
