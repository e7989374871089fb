import { errorAnswer } from '../domain/platform-wire.js';
import type { HttpAnswer } from './http-exchange.js';
import type { PlatformFault } from './platform-error.js';
import { retryAfterMs } from './retry-after.js';

/** What a call is about, which decides what is gone on a `404` and whether a `409` makes sense. */
export type CallSubject = 'interaction' | 'leg' | 'list';

const CODE = /^[A-Za-z0-9._-]{1,64}$/;
const IDENTIFIER = /^[A-Za-z0-9._:-]{1,128}$/;

/**
 * The fault that an answer other than the documented success stands for (`platform-api.md`): by status and code, and
 * where the code is missing or unknown by the status alone.
 * @param now wall clock, ms since the epoch
 */
export function faultOfAnswer(subject: CallSubject, answer: HttpAnswer, now: number): PlatformFault {
  const { status } = answer;
  const { code, holder } = readError(answer);
  if (status === 401) return { kind: 'unauthorized', detail: 'the platform refused a fresh access token too' };
  if ((status === 403 || status === 404 || status === 410) && isWebPage(answer)) {
    // The platform speaks JSON (`platform-api.md`, Everywhere): that was something between it and us.
    return { kind: 'ambiguous', detail: `answered ${status} by a web page` };
  }
  if (status === 403) return { kind: 'forbidden', code };
  if (status === 404 || status === 410) return goneOr(subject, status, code);
  if (status === 408) return { kind: 'ambiguous', detail: 'answered 408' };
  if (status === 409) return conflict(subject, code, holder);
  if (status === 429) return { kind: 'throttled', retryAfterMs: retryAfterMs(answer.headers, now) };
  // A redirect is not followed: the base URL is wrong, or somebody would like to have our token.
  if (status >= 300 && status < 500) return { kind: 'invalid', status, code };
  return { kind: 'ambiguous', detail: `answered ${status}` };
}

function isWebPage({ headers }: HttpAnswer): boolean {
  return /^text\/html\b/i.test(headers['content-type'] ?? '');
}

function goneOr(subject: CallSubject, status: 404 | 410, code: string): PlatformFault {
  if (subject === 'list') return { kind: 'invalid', status, code };
  const namesInteraction = code === 'interaction.not.found' || code === 'interaction.ended';
  const what = subject === 'leg' && !namesInteraction ? 'leg' : 'interaction';
  return { kind: 'gone', what, ended: status === 410 || code === 'interaction.ended' };
}

function conflict(subject: CallSubject, code: string, holder: string | undefined): PlatformFault {
  if (subject === 'list') return { kind: 'invalid', status: 409, code };
  if (code === 'media.server.group.unavailable') return { kind: 'group-unavailable' };
  if (code !== 'monitor.not.active' && holder !== undefined) {
    return { kind: 'busy', conflictingMonitorSessionId: holder };
  }
  return { kind: 'not-ready' };
}

/**
 * Code and holder, each on its own terms: one of the two malformed does not spoil the other. What does not look like
 * a code is replaced by the status, because codes end in histories and logs, where an answer's free text has no place.
 */
function readError({ status, body }: HttpAnswer): { readonly code: string; readonly holder: string | undefined } {
  const { code, conflictingMonitorSessionId } = errorAnswer.catch({}).parse(parseJson(body ?? ''));
  return {
    code: code !== undefined && CODE.test(code) ? code : `http.${status}`,
    holder:
      conflictingMonitorSessionId !== undefined && IDENTIFIER.test(conflictingMonitorSessionId)
        ? conflictingMonitorSessionId
        : undefined,
  };
}

/** The parsed text; `undefined` where it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
