import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import type { PayloadCodec } from '@temporalio/common';
import { bundleWorkflowCode, Worker } from '@temporalio/worker';
import { pino } from 'pino';
import { z } from 'zod';
import type { InteractionPage } from '../../domain/platform-wire.js';
import type { ListInteractionsInput } from '../../domain/interaction-list.js';
import type { Credentials } from '../../api/credentials.js';
import { drain, listen } from '../../api/http-server.js';
import type { HintSource } from '../../bus/hints.js';
import type { Page } from '../../api/page-files.js';
import type { SharedTickets } from '../../api/tickets.js';
import type { RateLimits } from '../../api/rate-limit.js';
import { createApi } from '../../api/server.js';
import type { ApiTracing } from '../../tracing/api-tracing.js';
import type { TestTemporal } from '../support/temporal.js';
import type { WorkflowBundle } from '../support/workflow-bundle.js';

export const API_KEY = 'test-key-0123456789';

/** An answer of the API, its body parsed. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

export interface Request {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; a string as it is. */
  readonly body?: unknown;
}

export interface RunningApi extends AsyncDisposable {
  readonly url: string;
  readonly taskQueue: string;
  readonly request: (path: string, request?: Request) => Promise<Answer>;
  readonly get: (path: string) => Promise<Answer>;
  /** The page of metrics. */
  readonly metrics: () => Promise<string>;
  readonly post: (path: string, body: unknown, headers?: Readonly<Record<string, string>>) => Promise<Answer>;
  /** Every line logged so far, as text. */
  readonly logged: () => string;
  /** As the process is told to end. */
  readonly stop: () => Promise<void>;
}

interface ApiOptions {
  /** @default one of its own */
  readonly taskQueue?: string;
  /** @default a free one */
  readonly port?: number;
  readonly callLimitMs?: number;
  readonly webhookSecrets?: string;
  /** Beside {@link API_KEY}. */
  readonly credentials?: Credentials;
  readonly rateLimits?: RateLimits;
  readonly corsOrigins?: readonly string[];
  readonly hints?: HintSource;
  readonly sharedTickets?: SharedTickets;
  readonly metricsKey?: string;
  readonly page?: Page;
  readonly temporalUiUrl?: string;
  readonly codec?: PayloadCodec;
  readonly draining?: AbortSignal;
  readonly tracing?: ApiTracing;
}

/** The API over a client. */
export async function startApi(
  client: Client,
  { taskQueue = `api-${randomUUID()}`, port = 0, credentials = {}, ...options }: ApiOptions = {},
): Promise<RunningApi> {
  const lines: string[] = [];
  const mixin = options.tracing === undefined ? {} : { mixin: options.tracing.logFields };
  const log = pino({ level: 'debug', ...mixin }, { write: (line: string) => lines.push(line) });
  const stopping = new AbortController();
  const api = createApi({
    client,
    taskQueue,
    credentials: { apiKey: API_KEY, ...credentials },
    log,
    stopping: stopping.signal,
    ...options,
  });
  const { server, url } = await listen(api, { host: '127.0.0.1', port });

  const request = async (path: string, { method = 'GET', headers = {}, body }: Request = {}): Promise<Answer> => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${API_KEY}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: text }),
    });
    const raw = await answer.text();
    const parsed: unknown = raw === '' ? {} : JSON.parse(raw);
    return { status: answer.status, headers: answer.headers, body: z.record(z.string(), z.unknown()).parse(parsed) };
  };
  const stop = async (): Promise<void> => {
    stopping.abort(new Error('the API stops'));
    await drain(server, 5_000);
  };
  return {
    url,
    taskQueue,
    request,
    get: (path) => request(path),
    metrics: async () => (await fetch(`${url}/metrics`)).text(),
    post: (path, body, headers = {}) => request(path, { method: 'POST', body, headers }),
    logged: () => lines.join(''),
    stop,
    async [Symbol.asyncDispose]() {
      if (server.listening) await stop();
    },
  };
}

let bundle: Promise<WorkflowBundle> | undefined;

/** As of {@link testBundle}: `npm test` has bundled it, or it is bundled here. */
function scriptedBundle(): Promise<WorkflowBundle> {
  const codePath = process.env['EARSHOT_SCRIPTED_BUNDLE'];
  if (codePath !== undefined) return Promise.resolve({ codePath });
  const silent = (): void => undefined;
  return (bundle ??= bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('./scripted-session.ts', import.meta.url)),
    logger: { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent },
  }));
}

export type ListInteractions = (input: ListInteractionsInput) => Promise<InteractionPage>;

/** A worker with the scripted session of `scripted-session.ts`. */
export async function startWorker(
  temporal: TestTemporal,
  taskQueue: string,
  listInteractions: ListInteractions = () => Promise.resolve({ entities: [], nextCursor: null }),
): Promise<AsyncDisposable> {
  const worker = await Worker.create({
    connection: temporal.nativeConnection,
    namespace: temporal.namespace,
    taskQueue,
    workflowBundle: await scriptedBundle(),
    activities: { listInteractions },
  });
  const done = worker.run();
  return {
    async [Symbol.asyncDispose]() {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await done;
    },
  };
}
