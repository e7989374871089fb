import type { Client } from '@temporalio/client';
import type { PayloadCodec } from '@temporalio/common';
import express from 'express';
import type { Express } from 'express';
import type { Logger } from 'pino';
import type { HintSource } from '../bus/hints.js';
import { EventRouter } from '../directory/event-router.js';
import { answerProblems } from './answer-problems.js';
import { authenticator, requireCaller } from './authentication.js';
import type { Credentials } from './credentials.js';
import { createSession } from './create-session.js';
import { allowCodecOrigins, allowOrigins } from './cross-origin.js';
import { asyncApiDocument } from './asyncapi.js';
import { createTicket } from './create-ticket.js';
import { getDocs, getDocument } from './documents.js';
import { EVENTS_PATH, EventSockets } from './event-sockets.js';
import { getLiveness, getReadiness, ReadinessProbe } from './health.js';
import { openApiDocument } from './openapi.js';
import { listInteractions } from './interactions.js';
import { getHistory } from './get-history.js';
import { getSession } from './get-session.js';
import { listSessions } from './list-sessions.js';
import { mayReadMetrics } from './metrics-access.js';
import { ApiMetrics } from './metrics.js';
import { servePage } from './page-files.js';
import type { Page } from './page-files.js';
import { Problem } from './problem.js';
import { limitRate, limitTries } from './rate-limit.js';
import type { RateLimits } from './rate-limit.js';
import { getCommand } from './read-command.js';
import { CODEC_PATH, decodePayloads, encodePayloads } from './remote-payloads.js';
import { requestLog } from './request-context.js';
import { addOperations, addRoute } from './routes.js';
import { sendCommand } from './send-command.js';
import { SessionReader } from './session-reader.js';
import { SessionFeed } from './session-feed.js';
import { getMe, getSignIn, signIn, signOut } from './sign-in.js';
import { SignIns } from './sign-ins.js';
import { Temporal } from './temporal-client.js';
import { sessionInTemporalUi } from './temporal-ui-text.js';
import { Tickets } from './tickets.js';
import type { SharedTickets } from './tickets.js';
import type { ApiTracing } from '../tracing/api-tracing.js';
import { traceRequests } from './trace-requests.js';
import { readRaw, receiveEvent } from './webhook.js';
import { webhookKeys } from './webhook-signature.js';

export interface ApiDependencies {
  readonly client: Client;
  /** Where workers of Earshot listen. */
  readonly taskQueue: string;
  /** What callers must present. */
  readonly credentials: Credentials;
  /** @default none */
  readonly rateLimits?: RateLimits;
  /** Of other pages that may use REST. @default none */
  readonly corsOrigins?: readonly string[];
  readonly log: Logger;
  /** Where workers say that sessions change. @default lists alone */
  readonly hints?: HintSource | undefined;
  /** @default each process has its own */
  readonly sharedTickets?: SharedTickets | undefined;
  /** What Prometheus must present instead. @default the API key, and nothing on this machine */
  readonly metricsKey?: string | undefined;
  /** @default one of its own, without those of the process */
  readonly metrics?: ApiMetrics;
  /** Makes traces of requests under `/v1`. @default nobody does */
  readonly tracing?: ApiTracing | undefined;
  /** Of the platform's webhook; without any there is none. */
  readonly webhookSecrets?: string | undefined;
  /** The supervisors' page. @default there is none */
  readonly page?: Page;
  /** Base URL of Temporal's UI, for links, and for its pages to decrypt what they show. @default nobody knows where it is */
  readonly temporalUiUrl?: string | undefined;
  /** What those decrypt by. @default nothing is encrypted */
  readonly codec?: PayloadCodec;
  /**
   * Aborted when the process is about to end: answers that are held for their outcome go out at once.
   * @default never
   */
  readonly stopping?: AbortSignal;
  /** Aborted as soon as somebody asks the process to end: from then on it is not ready. @default `stopping` */
  readonly draining?: AbortSignal;
  /**
   * How long one call to Temporal may take before the answer is `503`, ms.
   * @default 5000
   */
  readonly callLimitMs?: number;
}

export interface Api {
  readonly app: Express;
  /** Of the same server: it takes what wants to speak WebSocket. */
  readonly events: EventSockets;
}

/**
 * The API over a Temporal client. It holds no state but caches of a second and, while somebody listens, what the running
 * sessions are: any number of replicas may run.
 */
export function createApi({
  client,
  taskQueue,
  credentials,
  rateLimits,
  corsOrigins = [],
  log,
  hints,
  sharedTickets,
  metricsKey,
  metrics = new ApiMetrics(),
  tracing,
  webhookSecrets,
  page,
  temporalUiUrl,
  codec,
  stopping = new AbortController().signal,
  draining = stopping,
  callLimitMs,
}: ApiDependencies): Api {
  const temporal = new Temporal(client, taskQueue, callLimitMs);
  const reader = new SessionReader(temporal);
  const router = new EventRouter(client, (error) => log.warn({ err: error }, 'events.look-failed'));
  stopping.addEventListener('abort', () => router.close(), { once: true });
  const authenticate = authenticator(credentials);
  const signIns = new SignIns(credentials);
  const tickets = new Tickets(sharedTickets);
  const feed = new SessionFeed(temporal, reader, { hints, log });
  const events = new EventSockets({ feed, tickets, authenticate, origins: corsOrigins, log });
  const stop = (): void => {
    events.close();
    feed.close();
  };
  stopping.addEventListener('abort', stop, { once: true });
  const probe = new ReadinessProbe(temporal);
  const app = express();
  app.disable('x-powered-by').disable('etag').enable('case sensitive routing');

  app.use(requestLog(log), metrics.countRequests);
  const uiOrigin = temporalUiUrl === undefined ? [] : [new URL(temporalUiUrl).origin];
  if (codec !== undefined && uiOrigin.length > 0) app.use(CODEC_PATH, allowCodecOrigins(uiOrigin));
  if (corsOrigins.length > 0) app.use(allowOrigins(corsOrigins));
  app.use('/metrics', mayReadMetrics(authenticate, metricsKey));
  addRoute(app, '/metrics', { GET: metrics.page(temporal, probe) });
  addRoute(app, '/openapi.json', { GET: getDocument(openApiDocument) }, { produces: 'application/json' });
  addRoute(app, '/asyncapi.json', { GET: getDocument(asyncApiDocument) }, { produces: 'application/json' });
  addRoute(app, '/docs', { GET: getDocs() }, { produces: 'text/html' });

  // Its signature is all that the platform has to show.
  const webhook = receiveEvent(router, webhookKeys(webhookSecrets));
  addRoute(app, '/v1/webhooks/platform', { POST: webhook }, { readBody: [readRaw] });
  const temporalUi = sessionInTemporalUi(temporalUiUrl, temporal.namespace);
  const handlers = {
    createSession: createSession(temporal, reader, stopping, (session) => router.note(session)),
    listSessions: listSessions(temporal),
    getSession: getSession(reader),
    sendCommand: sendCommand(temporal, reader, stopping),
    getCommand: getCommand(temporal, reader),
    getHistory: getHistory(temporal, reader),
    listInteractions: listInteractions(temporal),
    createTicket: createTicket(tickets),
    getSignIn: getSignIn(signIns, temporalUi),
    signIn: limitTries(signIn(signIns, temporalUi)),
    signOut: signOut(),
    getMe: getMe(temporalUi),
    decodePayloads: decodePayloads(codec),
    encodePayloads: encodePayloads(codec),
    getLiveness,
    getReadiness: getReadiness(probe, draining),
  };
  addOperations(app, 'anybody', handlers);

  // Browsers tell the truth of where a page comes from, and ask before they send what it has them send.
  const isTemporalUi = ({ originalUrl, headers: { origin } }: express.Request): boolean =>
    codec !== undefined &&
    origin !== undefined &&
    uiOrigin.includes(origin) &&
    originalUrl.startsWith(`${CODEC_PATH}/`);
  app.use('/v1', requireCaller(authenticate, signIns, isTemporalUi));
  // After it: whoever asks says by `traceparent` what is recorded.
  if (tracing !== undefined) app.use('/v1', traceRequests(tracing));
  if (rateLimits !== undefined) app.use('/v1', limitRate(rateLimits));
  const speaksWebSocket = (): never => {
    throw new Problem('upgrade.required', 'Connect with a WebSocket; /asyncapi.json says what is told there.', {
      headers: { Upgrade: 'websocket', Connection: 'Upgrade' },
    });
  };
  addRoute(app, EVENTS_PATH, { GET: speaksWebSocket });
  addOperations(app, 'callers', handlers);

  if (page !== undefined) app.use(servePage(page));
  app.use((request) => {
    throw new Problem('not.found', `There is nothing at ${request.path}.`);
  });
  app.use(answerProblems(log));
  return { app, events };
}
