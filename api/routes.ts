import type { Request, RequestHandler, Response, Router } from 'express';
import { callerOf, requireRole } from './caller.js';
import type { Role } from '../domain/sign-in.js';
import { OPERATIONS } from './operations.js';
import type { OperationId } from './operations.js';
import { Problem } from './problem.js';
import { contextOf } from './request-context.js';
import { jsonOf, readJson, requireJson } from './request-input.js';

/** Answers a request, or throws a `Problem`. */
export type Handler = (request: Request, response: Response) => Promise<void>;

/** What a path does, by method. */
export interface Handlers {
  readonly GET?: Handler;
  readonly POST?: Handler;
}

interface RouteOptions {
  /** What comes before a `POST`. @default JSON is required and read */
  readonly readBody?: readonly RequestHandler[];
  /** What it answers with; who accepts only something else is answered `406`. @default anything will do */
  readonly produces?: string;
}

/** A path and what it does by method; another method is answered `405`. */
export function addRoute(
  router: Router,
  path: string,
  handlers: Handlers,
  { readBody = [requireJson, readJson], produces }: RouteOptions = {},
): void {
  const allow = [...(handlers.GET ? ['GET', 'HEAD'] : []), ...(handlers.POST ? ['POST'] : [])].join(', ');
  const named: RequestHandler = (request, _response, next) => {
    contextOf(request).route = path;
    next();
  };
  const acceptable: RequestHandler = (request, _response, next) => {
    // Some name the charset, which JSON does not have.
    if (produces !== undefined && request.accepts([produces, `${produces}; charset=utf-8`]) === false) {
      throw new Problem('not.acceptable', `The answer is ${produces}, which Accept does not allow.`);
    }
    next();
  };
  const route = router.route(path).all(named);
  if (handlers.GET) route.get(acceptable, handlers.GET);
  if (handlers.POST) route.post(acceptable, ...readBody, handlers.POST);
  route.all((request) => {
    throw new Problem('method.not.allowed', `${request.method} is not possible here; possible: ${allow}.`, {
      headers: { Allow: allow },
    });
  });
}

/**
 * All that REST can do, each operation at the path that its document gives, for those who may.
 * @param whose what needs no caller, or what does: between the two comes what finds out who it is
 */
export function addOperations(
  router: Router,
  whose: 'anybody' | 'callers',
  handlers: Readonly<Record<OperationId, Handler>>,
): void {
  const byPath = new Map<string, Handlers>();
  const readers = new Map<string, readonly RequestHandler[]>();
  for (const operation of OPERATIONS) {
    const { id, path, method, access } = operation;
    if ((access === 'anybody') !== (whose === 'anybody')) continue;
    if (method === 'POST' && !('body' in operation)) readers.set(path, []);
    if ('bodyLimit' in operation) readers.set(path, [requireJson, jsonOf(operation.bodyLimit)]);

    byPath.set(path, {
      ...byPath.get(path),
      [method]: access === 'anybody' ? handlers[id] : forRoles(access, handlers[id]),
    });
  }
  for (const [path, handlersOfPath] of byPath) {
    const readBody = readers.get(path);
    addRoute(router, path.replaceAll(/\{(\w+)\}/g, ':$1'), handlersOfPath, {
      produces: 'application/json',
      ...(readBody === undefined ? {} : { readBody }),
    });
  }
}

function forRoles(roles: readonly Role[], handler: Handler): Handler {
  return async (request, response) => {
    requireRole(callerOf(request), roles);
    await handler(request, response);
  };
}
