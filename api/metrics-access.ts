import type { RequestHandler } from 'express';
import { isFromThisMachine } from '../http/from-this-machine.js';
import { authenticator } from './authentication.js';
import type { Authenticate } from './authentication.js';
import { requireRole } from './caller.js';

/**
 * Who may see `/metrics`: with `METRICS_KEY` whoever has it and nobody else; without it this machine, and from elsewhere
 * software with the API key and people who are `admin`.
 */
export function mayReadMetrics(authenticate: Authenticate, metricsKey: string | undefined): RequestHandler {
  const byItsKey = metricsKey === undefined ? undefined : authenticator({ apiKey: metricsKey, keyName: 'METRICS_KEY' });
  return async (request, _response, next) => {
    const authorization = request.get('authorization');
    if (byItsKey !== undefined) await byItsKey(authorization);
    else if (!isFromThisMachine(request)) requireRole(await authenticate(authorization), ['admin']);
    next();
  };
}
