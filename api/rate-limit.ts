import type { Request, RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import { actorOf, callerOf } from './caller.js';
import { Problem } from './problem.js';
import { CODEC_PATH } from './remote-payloads.js';
import type { Handler } from './routes.js';

/** Requests a second, by the kind of caller, on average over {@link WINDOW_MS}. */
export interface RateLimits {
  readonly person: number;
  readonly service: number;
}

/** Temporal's UI asks once for each event of a history, all at once. */
const CODEC_REQUESTS_FOR_ONE = 20;

/** Short, so that whoever was too fast can stop a session soon again. */
const WINDOW_MS = 10_000;

/**
 * Counts the requests of each caller of this process, and answers `429` with `Retry-After` beyond the limit; all answers
 * tell what is left (`RateLimit`, draft-ietf-httpapi-ratelimit-headers-08).
 */
export function limitRate({ person, service }: RateLimits): RequestHandler {
  return rateLimit({
    windowMs: WINDOW_MS,
    limit: (request) =>
      (WINDOW_MS / 1_000) *
      (callerOf(request).kind === 'service' ? service : person) *
      (isForCodec(request) ? CODEC_REQUESTS_FOR_ONE : 1),
    keyGenerator: (request) => {
      const caller = callerOf(request);
      // Counted apart: who looks at a history can stop a session all the same.
      return `${caller.kind} ${actorOf(caller)}${isForCodec(request) ? ' codec' : ''}`;
    },
    identifier: 'caller',
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    handler: refusing(WINDOW_MS, 'More requests than one caller may send; the next are taken in'),
  });
}

function isForCodec({ baseUrl, path }: Request): boolean {
  return `${baseUrl}${path}`.startsWith(`${CODEC_PATH}/`);
}

/** Answers `429`. @param detail to be followed by the time that it takes */
function refusing(windowMs: number, detail: string): RequestHandler {
  return (_request, response, next) => {
    const seconds = String(response.getHeader('Retry-After') ?? windowMs / 1_000);
    next(new Problem('rate.limited', `${detail} ${seconds} s.`, { headers: { 'Retry-After': seconds } }));
  };
}

/** Wrong keys and tokens that one address may try to sign in with, in {@link TRIES_WINDOW_MS}. */
const TRIES = 30;
const TRIES_WINDOW_MS = 60_000;

/**
 * Against guessed keys: counts sign-ins that are refused by the address that they come from. Behind a proxy that is one for
 * all, so there are some. It begins where the request has been read: whoever sends half of one has not tried anything.
 */
export function limitTries(handler: Handler): Handler {
  const limit = rateLimit({
    windowMs: TRIES_WINDOW_MS,
    limit: TRIES,
    keyGenerator: ({ socket }) => ipKeyGenerator(socket.remoteAddress ?? ''),
    skipSuccessfulRequests: true,
    requestWasSuccessful: (_request, { statusCode }) => statusCode !== 401,
    identifier: 'sign-in',
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    handler: refusing(TRIES_WINDOW_MS, 'Too many wrong keys or tokens from your address; try again in'),
  });
  return async (request, response) => {
    await new Promise<void>((resolve, reject) => {
      void limit(request, response, (error?: unknown) => {
        if (error === undefined) resolve();
        else reject(error instanceof Error ? error : new Error('the limit failed', { cause: error }));
      });
    });
    await handler(request, response);
  };
}
