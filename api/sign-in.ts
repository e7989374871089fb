import type { Request } from 'express';
import { signInByKey, signInByToken } from '../domain/sign-in.js';
import type { Me } from '../domain/sign-in.js';
import { personByCookie } from './authentication.js';
import { actorOf, callerOf, requireRole, ROLES, SERVICE_ACTOR } from './caller.js';
import type { Caller } from './caller.js';
import { refuseOtherPages } from './cross-origin.js';
import { noQuery } from './operations.js';
import { invalidRequest, Problem } from './problem.js';
import { contextOf } from './request-context.js';
import { parseBody, parseQuery } from './request-input.js';
import type { Handler } from './routes.js';
import { forgetCookie, keepCookie } from './sign-in-cookie.js';
import type { SignedIn, SignIns } from './sign-ins.js';

/** `GET /v1/sign-in`. A cookie that lets nobody in is not sent again. @param temporalUi as of {@link getMe} */
export function getSignIn(signIns: SignIns, temporalUi: string | undefined): Handler {
  return async (request, response) => {
    parseQuery(noQuery, request);
    const { ways } = signIns;
    try {
      const person = await personByCookie(request, signIns);
      response.json({ ways, me: person === undefined ? null : meOf(person, temporalUi) });
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'authentication.required') throw error;
      forgetCookie(request, response);
      response.json({ ways, me: null });
    }
  };
}

/**
 * `POST /v1/sign-in`. From another page it is refused: somebody would find themselves signed in as its maker.
 * @param temporalUi as of {@link getMe}
 */
export function signIn(signIns: SignIns, temporalUi: string | undefined): Handler {
  return async (request, response) => {
    parseQuery(noQuery, request);
    refuseOtherPages(request);
    const { person, cookie, maxAgeSeconds } = await signedIn(signIns, request);
    contextOf(request).actor = actorOf(person);
    requireRole(person, ROLES);
    keepCookie(request, response, cookie, maxAgeSeconds);
    response.json(meOf(person, temporalUi));
  };
}

/** `POST /v1/sign-out`. Who it was is not asked: a sign-in that is over has to go as well. */
export function signOut(): Handler {
  return (request, response) => {
    parseQuery(noQuery, request);
    refuseOtherPages(request);
    forgetCookie(request, response);
    response.status(204).end();
    return Promise.resolve();
  };
}

/** `GET /v1/me`. @param temporalUi of a session in Temporal's UI, with `{sessionId}` and `{runId}` to fill in */
export function getMe(temporalUi: string | undefined): Handler {
  return (request, response) => {
    parseQuery(noQuery, request);
    response.json(meOf(callerOf(request), temporalUi));
    return Promise.resolve();
  };
}

/** Each way has its own schema, so that a fault is told by its field. */
function signedIn(signIns: SignIns, request: Request): Promise<SignedIn> {
  const body: unknown = request.body;
  if (!signIns.ways.includes('key') || (typeof body === 'object' && body !== null && 'token' in body)) {
    return signIns.byToken(parseBody(signInByToken, request).token);
  }
  const { apiKey, supervisorId } = parseBody(signInByKey, request);
  if (supervisorId === SERVICE_ACTOR) {
    // As with tokens: the audit trail could not tell such a person from software.
    throw invalidRequest([{ field: 'supervisorId', message: 'is how software is named' }]);
  }
  return signIns.byKey(apiKey, supervisorId);
}

function meOf(caller: Caller, temporalUi: string | undefined): Me {
  const isPerson = caller.kind === 'person';
  return {
    id: isPerson ? caller.id : null,
    kind: caller.kind,
    roles: isPerson ? [...caller.roles] : [],
    expiresAt: isPerson ? new Date(caller.untilMs).toISOString() : null,
    temporalUi: temporalUi ?? null,
  };
}
