import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Request, RequestHandler } from 'express';
import type { Logger } from 'pino';
import type { CommandResource } from '../domain/commands.js';

/** What is known of a request while it is handled: the fields of its one line in the log. */
export interface RequestContext {
  readonly requestId: string;
  /** The route's pattern, which never holds an id. */
  route?: string;
  /** Who sent it, as the audit trail names them. */
  actor?: string;
  /** What a command asks for. */
  action?: string;
  sessionId?: string;
  interactionId?: string;
  commandId?: string;
  /** The command as it was answered. */
  command?: Pick<CommandResource, 'action' | 'status'>;
  /** The topic of a platform's event. */
  event?: string;
  /** The code of the problem that was answered. */
  problem?: string;
  /** Why, where the answer doesn't say, or nobody here reads it. */
  cause?: string;
  /** The span that stands for it, where there are traces. */
  trace_id?: string;
  span_id?: string;
  /** Whoever sent it reads no answers: what was wrong with it is for those who read the log. Not logged itself. */
  isForOperator?: true;
}

const contexts = new WeakMap<IncomingMessage, RequestContext>();

/** The context of a request that went through {@link requestLog}. */
export function contextOf(request: Request): RequestContext {
  const context = contexts.get(request);
  if (context === undefined) throw new Error('the request has no context: requestLog comes first');
  return context;
}

/** Answers are data for whoever asked: not to be kept, guessed at, framed or loaded by pages of others (OWASP REST Security). */
const SECURITY_HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
};

const SANE_REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/**
 * Gives every request its id (`X-Request-Id`, the caller's own if it is a sane one) and logs one line as it ends. Only
 * the fields of {@link RequestContext} are logged: no header and no body, hence no key.
 */
export function requestLog(log: Logger): RequestHandler {
  return (request, response, next) => {
    const startedAt = performance.now();
    const given = request.get('x-request-id');
    const requestId = given !== undefined && SANE_REQUEST_ID.test(given) ? given : randomUUID();
    const context: RequestContext = { requestId };
    contexts.set(request, context);
    response.set({ 'X-Request-Id': requestId, ...SECURITY_HEADERS });
    response.once('close', () => {
      const { isForOperator = false, ...fields } = context;
      const line = {
        method: request.method,
        ...fields,
        status: response.statusCode,
        durationMs: Math.round(performance.now() - startedAt),
        ...(response.writableFinished ? {} : { abandoned: true }),
      };
      const text = `${request.method} ${request.path} ${response.statusCode}`;
      // Who was refused, and what they tried, is for those who watch.
      const isNotable = [401, 403].includes(response.statusCode) || response.statusCode >= (isForOperator ? 400 : 500);
      if (isNotable) log.warn(line, text);
      else log.info(line, text);
    });
    next();
  };
}
