import { randomUUID, timingSafeEqual } from 'node:crypto';
import express from 'express';
import type { Express, NextFunction, Request, Response } from 'express';
import type { Logger } from 'pino';
import { ZodError } from 'zod';
import { Problem } from './problem.js';
import type { Sessions } from './sessions.js';
import { commandRequest, sessionRequest } from './wire.js';

/** The REST of Earshot, as far as the bench drives it. */
export function createApp(sessions: Sessions, apiKey: string, log: Logger): Express {
  const app = express();
  app.disable('x-powered-by');
  app.get('/livez', (_, response) => void response.json({ status: 'ok' }));
  app.use(authenticate(apiKey));
  app.use(express.json({ limit: '64kb' }));

  app.post('/v1/sessions', async (request, response) => {
    const { session, isNew } = await sessions.start(sessionRequest.parse(request.body));
    log.info({ sessionId: session.sessionId }, 'session.started');
    response.status(isNew ? 202 : 200).json(session);
  });
  app.get('/v1/sessions/:sessionId', async ({ params }, response) => {
    response.json(await sessions.read(params.sessionId));
  });
  app.post('/v1/sessions/:sessionId/commands', async (request, response) => {
    const { action } = commandRequest.parse(request.body);
    const commandId = request.get('idempotency-key') ?? randomUUID();
    const command = await sessions.command(request.params.sessionId, action, commandId);
    log.info({ sessionId: request.params.sessionId, ...command }, 'command.done');
    response.status(command.status === 'queued' ? 202 : 200).json(command);
  });
  app.get('/v1/sessions/:sessionId/commands/:commandId', async ({ params }, response) => {
    response.json(await sessions.readCommand(params.sessionId, params.commandId));
  });

  // Express knows an error handler by its four parameters.
  app.use((error: unknown, _: Request, response: Response, _next: NextFunction) => {
    const problem = problemOf(error);
    if (problem.status === 500) log.error({ err: error }, 'request.failed');
    if (problem.retryAfterSeconds !== undefined) response.set('Retry-After', String(problem.retryAfterSeconds));
    response
      .status(problem.status)
      .type('application/problem+json')
      .json({ status: problem.status, code: problem.code, title: problem.code });
  });
  return app;
}

function authenticate(apiKey: string) {
  const expected = Buffer.from(`Bearer ${apiKey}`);
  return (request: Request, _: Response, next: NextFunction): void => {
    const given = Buffer.from(request.get('authorization') ?? '');
    const isRight = given.length === expected.length && timingSafeEqual(given, expected);
    next(isRight ? undefined : new Problem(401, 'authentication.required'));
  };
}

function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof ZodError) return new Problem(400, 'invalid.request');
  const isRedis = error instanceof Error && /socket|connect|redis|closed/i.test(`${error.name} ${error.message}`);
  return isRedis ? new Problem(503, 'store.unavailable', 1) : new Problem(500, 'internal');
}
