import type { Request, Response } from 'express';
import { AWAIT_LIMIT_MS } from '../domain/commands.js';

/** Longest wait taken, seconds. */
const LIMIT_SECONDS = AWAIT_LIMIT_MS / 1_000;

/**
 * The seconds of `Prefer: wait=N` (RFC 7240), 0 without one. A preference is never an error: what is not understood is
 * ignored, more than 30 counts as 30, and of several only the first counts.
 */
export function preferredWait(header: string | undefined): number {
  for (const preference of (header ?? '').split(',')) {
    const [token = ''] = preference.split(';');
    const match = /^\s*wait\s*(?:=\s*(?:"(\d+)"|(\d+))\s*)?$/i.exec(token);
    if (match === null) continue;
    return Math.min(Number(match[1] ?? match[2] ?? 0), LIMIT_SECONDS);
  }
  return 0;
}

/** How long the caller of a request wants to be kept waiting, and until when it makes sense. */
export interface Wait {
  readonly seconds: number;
  /** Aborted once nobody waits any more: the caller has gone, or the process is about to. */
  readonly signal: AbortSignal;
}

export function waitOf(request: Request, response: Response, stopping: AbortSignal): Wait {
  const gone = new AbortController();
  response.once('close', () => gone.abort(new Error('the caller has gone')));
  return { seconds: preferredWait(request.get('prefer')), signal: AbortSignal.any([gone.signal, stopping]) };
}

/** Says that the answer was held until its outcome. */
export function preferenceApplied(response: Response, wait: Wait): Response {
  return response.set('Preference-Applied', `wait=${wait.seconds}`);
}
