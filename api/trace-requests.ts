import type { RequestHandler } from 'express';
import type { ApiTracing } from '../tracing/api-tracing.js';
import { contextOf } from './request-context.js';

/** Handles each request in a span of its own, which its line in the log names. After `requestLog`. */
export function traceRequests(tracing: ApiTracing): RequestHandler {
  return (request, response, next) => {
    const context = contextOf(request);
    tracing.serve(request.method, request.get('traceparent'), (span) => {
      Object.assign(context, span.logFields);
      response.once('close', () => {
        const { route, problem, action, sessionId, interactionId, commandId } = context;
        const isAbandoned = !response.writableFinished;
        const { statusCode: status } = response;
        span.end({ route, status, problem, action, sessionId, interactionId, commandId, isAbandoned });
      });
      next();
    });
  };
}
