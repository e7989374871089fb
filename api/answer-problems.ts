import type { ErrorRequestHandler } from 'express';
import type { Logger } from 'pino';
import { z } from 'zod';
import { invalidRequest, Problem } from './problem.js';
import { contextOf } from './request-context.js';
import { temporalProblem } from './temporal-problem.js';

/** The one place where errors become answers. */
export function answerProblems(log: Logger): ErrorRequestHandler {
  // Express tells error handlers by their four parameters.
  return (error: unknown, request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const context = contextOf(request);
    const problem = toProblem(error);
    context.problem = problem.code;
    if (problem.code === 'internal.error') log.error({ err: error, requestId: context.requestId }, 'request.failed');
    else if (problem.cause instanceof Error) context.cause = reasonOf(problem.cause);
    else if (context.isForOperator === true) context.cause = problem.message;
    response
      .status(problem.status)
      .set(problem.headers)
      .type('application/problem+json')
      .send(JSON.stringify(problem.toBody(context.requestId)));
  };
}

/** What an error is to the caller. Of an unexpected one nothing is told but that it happened. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return (
    temporalProblem(error) ??
    requestProblem(error) ??
    new Problem('internal.error', 'The request failed for a reason that is in the log of the API.', { cause: error })
  );
}

const expressError = z.object({
  status: z.int().min(400).max(499),
  type: z.string().optional(),
  message: z.string(),
  limit: z.number().optional(),
});

/** Errors of Express and its body parser. */
function requestProblem(error: unknown): Problem | undefined {
  const parsed = expressError.safeParse(error);
  if (!parsed.success) return undefined;
  const { status, type, message, limit = 0 } = parsed.data;
  if (status === 413) return new Problem('payload.too.large', `The body must be at most ${limit / 1_024} KiB.`);
  if (status === 415) {
    return new Problem('unsupported.media.type', `The body must be UTF-8 JSON without compression (${message}).`);
  }
  if (type === 'entity.parse.failed') return invalidRequest([{ field: 'body', message: `is not JSON: ${message}` }]);
  if (type === 'entity.verify.failed') return invalidRequest([{ field: 'body', message }]);
  if (type === undefined) return invalidRequest([{ field: 'path', message }]);
  return invalidRequest([{ field: 'body', message }]);
}

function reasonOf(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
