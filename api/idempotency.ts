import { createHash } from 'node:crypto';
import type { Request } from 'express';
import { literal } from '../directory/list-filter.js';
import type { StartSessionInput } from '../domain/commands.js';
import { commandIdSchema } from '../domain/identifiers.js';
import { MONITORING_SESSION } from '../domain/workflow-contract.js';
import type { SessionSnapshot } from '../domain/session.js';
import type { Creation } from '../domain/workflow-contract.js';
import { invalidRequest, Problem } from './problem.js';
import type { ReadSession } from './session-reader.js';
import { creationOf, sessionOf } from './session-view.js';
import type { Temporal } from './temporal-client.js';

/** Of so many sessions under one id, the latest, the one that a key has made is found. */
const SESSIONS_SEARCHED = 200;

/** A string of a structured field (RFC 9651, 3.3.3), as the draft has the header; most clients send it bare. */
const QUOTED = /^"(.*)"$/;

/** The request's `Idempotency-Key`, if it has one, quoted or not. @throws {Problem} `invalid.request` */
export function idempotencyKeyOf(request: Request): string | undefined {
  const sent = request.get('idempotency-key');
  if (sent === undefined) return undefined;
  const key = QUOTED.exec(sent)?.[1] ?? sent;
  const result = commandIdSchema.safeParse(key);
  if (result.success) return result.data;
  throw invalidRequest(result.error.issues.map(({ message }) => ({ field: 'Idempotency-Key', message })));
}

/** What a session keeps of the request that asks for it. */
export function creationBy(key: string, input: StartSessionInput): Creation {
  const sorted = Object.entries(input).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return { key, payload: createHash('sha256').update(JSON.stringify(sorted)).digest('base64url') };
}

/** Whether a session was made by the same request. @throws {Problem} `idempotency.key.reused` where only the key is the same */
export function isSame({ key, payload }: Creation, made: Creation | undefined): boolean {
  if (made?.key !== key) return false;
  if (made.payload !== payload) throw keyReused(key);
  return true;
}

/**
 * The session that the same key has made, running or not; `undefined` if there is none, or Temporal knows it no more.
 * No round trip where the current one is it, else a list. That lags up to 2 s behind: a session that another has followed
 * within that time may not be found yet.
 * @throws {Problem} `idempotency.key.reused`
 */
export async function madeBy(
  asked: Creation,
  current: ReadSession,
  temporal: Temporal,
): Promise<SessionSnapshot | undefined> {
  if (isSame(asked, current.creation)) return current.session;

  const { sessionId } = current.session;
  const query = `WorkflowType = ${literal(MONITORING_SESSION)} AND WorkflowId = ${literal(sessionId)}`;
  return temporal.call(async () => {
    let searched = 0;
    for await (const execution of temporal.client.workflow.list({ query, pageSize: SESSIONS_SEARCHED })) {
      if (isSame(asked, creationOf(execution))) return sessionOf(execution);
      searched += 1;
      if (searched >= SESSIONS_SEARCHED) break;
    }
    return undefined;
  });
}

/** A `422`: whoever repeats a request repeats all of it (draft-ietf-httpapi-idempotency-key-header, 2.7). */
export function keyReused(key: string): Problem {
  return new Problem(
    'idempotency.key.reused',
    `The Idempotency-Key ${key} was used for another request; take a new one, or repeat that one as it was.`,
  );
}
