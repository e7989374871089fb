import type { Request, RequestHandler, Response, Router } from 'express';
import { readJson, requireJson } from './request-input.js';
import { Problem } from './problem.js';
import { contextOf } from './request-context.js';

/** Answers a request, or throws a `Problem`. */
export type Handler = (request: Request, response: Response) => Promise<void>;

/** A path and what it does by method; another method is answered `405`. @param readBody what comes before a `POST` */
export function addRoute(
  router: Router,
  path: string,
  handlers: { readonly GET?: Handler; readonly POST?: Handler },
  readBody: readonly RequestHandler[] = [requireJson, readJson],
): void {
  const allow = [...(handlers.GET ? ['GET', 'HEAD'] : []), ...(handlers.POST ? ['POST'] : [])].join(', ');
  const named: RequestHandler = (request, _response, next) => {
    contextOf(request).route = path;
    next();
  };
  const route = router.route(path).all(named);
  if (handlers.GET) route.get(handlers.GET);
  if (handlers.POST) route.post(...readBody, handlers.POST);
  route.all((request) => {
    throw new Problem('method.not.allowed', `${request.method} is not possible here; possible: ${allow}.`, {
      headers: { Allow: allow },
    });
  });
}
