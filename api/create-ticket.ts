import { callerOf } from './caller.js';
import { noQuery } from './operations.js';
import { parseQuery } from './request-input.js';
import type { Handler } from './routes.js';
import type { Tickets } from './tickets.js';

/** `POST /v1/events/tickets`: no round trip to Temporal. */
export function createTicket(tickets: Tickets): Handler {
  return async (request, response) => {
    parseQuery(noQuery, request);
    response.status(201).json(await tickets.issue(callerOf(request)));
  };
}
