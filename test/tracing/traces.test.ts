/** From a request of REST to what it causes on the platform, over the real Temporal, and to a collector by OTLP. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client } from '@temporalio/client';
import type { WorkflowClientInterceptor } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { pino } from 'pino';
import { z } from 'zod';
import { prepareConnection } from '../../api/temporal-client.js';
import type { LazyConnection } from '../../api/temporal-client.js';
import { TRACE_HEADER } from '../../domain/trace-context.js';
import { traceApi } from '../../tracing/api-tracing.js';
import type { ApiTracing } from '../../tracing/api-tracing.js';
import { traceWorker } from '../../tracing/worker-tracing.js';
import type { WorkerTracing } from '../../tracing/worker-tracing.js';
import { API_KEY, startApi } from '../api/api-world.js';
import type { RunningApi } from '../api/api-world.js';
import { startCollector } from '../support/collector.js';
import type { Collector, ExportedSpan } from '../support/collector.js';
import { replayEveryHistory } from '../support/replay.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionWorld } from '../support/session-world.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';

/** Somebody's words, which are in the audit trail and in no span. */
const WORDS = `words-${randomBytes(8).toString('hex')}`;
const CALLER_SPAN = '00f067aa0ba902b7';

let temporal: TestTemporal;
let collector: Collector;
let apiTracing: ApiTracing;
let workerTracing: WorkerTracing;
let connection: LazyConnection;
let world: SessionWorld;
let api: RunningApi;
/** The headers of every request that undici sent to the platform. */
const sentHeaders: string[] = [];

const undiciRequest = z.object({
  request: z.object({ origin: z.unknown(), headers: z.union([z.string(), z.array(z.unknown())]) }),
});
const onRequest = (message: unknown): void => {
  const { request } = undiciRequest.parse(message);
  if (String(request.origin) === new URL(world.simulator.baseUrl).origin) sentHeaders.push(String(request.headers));
};

beforeAll(async () => {
  collector = await startCollector();
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = collector.url;
  process.env['OTEL_BSP_SCHEDULE_DELAY'] = '50';
  const options = { settings: { protocol: 'http/json' }, log: () => pino({ level: 'silent' }) } as const;
  apiTracing = await traceApi(options);
  workerTracing = await traceWorker(options);
  temporal = await startTemporal();
  world = await createSessionWorld(temporal, { tracing: workerTracing });
  subscribe('undici:request:create', onRequest);
  const settings = { temporalAddress: temporal.address, temporalPort: 0, temporalNamespace: temporal.namespace };
  connection = prepareConnection(settings, { interceptor: apiTracing.clientInterceptor });
  api = await startApi(connection.client, { taskQueue: world.taskQueue, tracing: apiTracing });
});

afterAll(async () => {
  unsubscribe('undici:request:create', onRequest);
  await api[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
  await connection.close();
  await apiTracing.close();
  await workerTracing.close();
  await temporal.teardown();
  await collector[Symbol.asyncDispose]();
});

function traceId(): string {
  return randomBytes(16).toString('hex');
}

function traced(id: string, isSampled = true) {
  return { traceparent: `00-${id}-${CALLER_SPAN}-0${isSampled ? 1 : 0}` };
}

function spansOf(id: string): ExportedSpan[] {
  return collector.spans.filter((span) => span.traceId === id);
}

/** The names of a span and of all above it, up to the caller's. */
function pathOf(spans: readonly ExportedSpan[], leaf: ExportedSpan): string[] {
  const above = spans.find(({ spanId }) => spanId === leaf.parentSpanId);
  if (above !== undefined) return [leaf.name, ...pathOf(spans, above)];
  return [leaf.name, leaf.parentSpanId === CALLER_SPAN ? 'caller' : 'nobody'];
}

/** All paths of a trace from its leaves, once it has all these names. */
async function pathsWith(id: string, ...names: readonly string[]): Promise<string[][]> {
  await until(`${names.join(', ')} in trace ${id}`, () =>
    names.every((name) => spansOf(id).some((span) => span.name === name)),
  );
  const spans = spansOf(id);
  const parents = new Set(spans.map(({ parentSpanId }) => parentSpanId));
  return spans.filter(({ spanId }) => !parents.has(spanId)).map((leaf) => pathOf(spans, leaf));
}

test('a session and its barge are each one trace, from the request to what the platform was asked', async () => {
  const [creating, barging, stopping] = [traceId(), traceId(), traceId()];
  const interactionId = world.interaction();
  const body = { interactionId, supervisorId: 'anna', reason: WORDS };
  const wait = { Prefer: 'wait=30' };
  const created = await api.post('/v1/sessions', body, { ...wait, ...traced(creating) });
  expect(created).toMatchObject({ status: 200, body: { state: 'SILENT' } });
  const sessionId = z.string().parse(created.body['sessionId']);
  const commands = `/v1/sessions/${sessionId}/commands`;
  const barge = { ...wait, ...traced(barging), 'Idempotency-Key': 'barge-1' };
  expect(await api.post(commands, { action: 'barge', reason: WORDS }, barge)).toMatchObject({ status: 200 });

  const start = [
    'activity startLeg',
    'command start',
    'Temporal start monitoringSession',
    'POST /v1/sessions',
    'caller',
  ];
  const begun = await pathsWith(creating, 'platform start', 'command start', 'POST /v1/sessions');
  expect(begun).toContainEqual(['platform start', ...start]);
  expect(begun).toContainEqual(['platform state', 'activity confirmLeg', ...start.slice(1)]);
  expect(begun.filter((path) => path.at(-1) !== 'caller')).toEqual([]);

  const route = '/v1/sessions/:sessionId/commands';
  const rest = [`POST ${route}`, 'caller'];
  const command = ['command barge', 'Temporal signal barge', ...rest];
  const barged = await pathsWith(
    barging,
    'platform barge',
    'command barge',
    `POST ${route}`,
    'activity requestChannel',
  );
  expect(barged).toContainEqual(['platform barge', 'activity changeMode', ...command]);
  expect(barged).toContainEqual(['Temporal update requestChannel', 'activity requestChannel', ...command]);
  expect(barged).toContainEqual(['Temporal update awaitCommand', ...rest]);
  expect(barged.filter((path) => path.at(-1) !== 'caller')).toEqual([]);

  // As many as the platform counted, and what they are about.
  const asked = (action: string): number => world.simulator.ledger.requests({ interactionId, action }).length;
  const made = (name: string): number => collector.spans.filter((span) => span.name === `platform ${name}`).length;
  expect([made('start'), made('barge')]).toEqual([asked('start'), asked('barge')]);
  const named = (name: string): ExportedSpan => spansOf(barging).find((span) => span.name === name)!;
  expect(named('command barge')).toMatchObject({
    service: 'earshot-worker',
    attributes: {
      'earshot.session.id': sessionId,
      'earshot.interaction.id': interactionId,
      'earshot.command.id': 'barge-1',
      'earshot.command.status': 'applied',
    },
  });
  expect(named('platform barge').attributes).toMatchObject({
    'http.request.method': 'POST',
    'http.response.status_code': 200,
  });
  expect(named(`POST ${route}`)).toMatchObject({
    service: 'earshot-api',
    attributes: { 'http.route': route, 'http.response.status_code': 200 },
  });
  // The command lasts as long as its work.
  const [whole, part] = [named('command barge'), named('platform barge')];
  expect(whole.endNanoseconds >= part.endNanoseconds).toBe(true);

  // Of what its caller does not record nothing is recorded here, nor carried along.
  const before = collector.spans.length;
  expect(await api.post(commands, { action: 'stop' }, { ...wait, ...traced(stopping, false) })).toMatchObject({
    status: 200,
    body: { status: 'applied' },
  });
  const marked = traceId();
  await api.request(`/v1/sessions/${sessionId}`, { headers: traced(marked) });
  await pathsWith(marked, 'GET /v1/sessions/:sessionId');
  expect(spansOf(stopping)).toEqual([]);
  expect(collector.spans.slice(before).filter(({ name }) => name.includes('stopLeg'))).toEqual([]);

  const lines = api
    .logged()
    .trim()
    .split('\n')
    .map((line) => z.record(z.string(), z.unknown()).parse(JSON.parse(line)));
  const logged = lines.filter(({ method }) => method !== undefined).map((line) => line['trace_id']);
  expect(logged).toEqual([creating, barging, undefined, marked]);

  const headers = await headersIn(sessionId);
  expect(headers.start).toEqual([expect.stringContaining(creating)]);
  expect(headers.signals).toEqual([expect.stringContaining(barging), undefined]);
});

test('what a trace tells has no words, no keys and no tokens, and the platform hears nothing of it', () => {
  const text = collector.text();
  expect(text).toContain('command barge');
  for (const secret of [WORDS, API_KEY, 'earshot-dev-secret', 'Bearer', 'authorization']) {
    expect(text.includes(secret)).toBe(false);
  }
  expect(sentHeaders.length).toBeGreaterThan(3);
  expect(sentHeaders.filter((headers) => /trace|baggage|b3/i.test(headers))).toEqual([]);
});

test('a direct starter with Temporal’s own interceptors has its session, and the end that it tells of, in its traces', async () => {
  const [starting, ending] = [traceId(), traceId()];
  const by = (id: string): Client =>
    new Client({ ...connection.client.options, interceptors: { workflow: [carrying(id)] } });
  const interactionId = world.interaction();
  const workflowId = `session~${interactionId}~ben`;
  const session = await by(starting).workflow.start('monitoringSession', {
    workflowId,
    taskQueue: world.taskQueue,
    args: [{ interactionId, supervisorId: 'ben', mode: 'whisper' }],
  });
  const begun = await pathsWith(starting, 'platform whisper', 'command whisper', 'command start');
  expect(begun).toContainEqual(['platform start', 'activity startLeg', 'command start', 'caller']);
  expect(begun).toContainEqual(['platform whisper', 'activity changeMode', 'command whisper', 'caller']);

  await by(ending).workflow.getHandle(workflowId).signal('interactionEnded', { reason: WORDS });
  await session.result();
  expect(await pathsWith(ending, 'platform stop')).toContainEqual(['platform stop', 'activity stopLeg', 'caller']);
});

test('a header that makes no sense starts and ends a session like any other', async () => {
  const interactionId = world.interaction();
  const garbled = new Client({
    ...connection.client.options,
    interceptors: {
      workflow: [
        {
          startWithDetails: (input, next) =>
            next({ ...input, headers: { [TRACE_HEADER]: { data: Buffer.from('{') } } }),
        },
      ],
    },
  });
  const session = await garbled.workflow.start('monitoringSession', {
    workflowId: `session~${interactionId}~carol`,
    taskQueue: world.taskQueue,
    args: [{ interactionId, supervisorId: 'carol' }],
  });
  await session.signal('stop');
  expect(await session.result()).toMatchObject({ session: { endReason: 'stopped' } });
});

test('what was recorded with traces replays without, and the other way round', async () => {
  await using plain = await createSessionWorld(temporal);
  const interactionId = plain.interaction();
  const session = await plain.start({ interactionId, supervisorId: 'dora', mode: 'barge' });
  await until(
    'barge',
    async () => (await session.query<{ session: { state: string } }>('state')).session.state === 'BARGE',
  );
  await session.signal('stop');
  await session.result();
  expect(await replayEveryHistory(temporal, { isTraced: false })).toBeGreaterThan(4);
  expect(await replayEveryHistory(temporal, { isTraced: true })).toBeGreaterThan(4);
});

function carrying(id: string): WorkflowClientInterceptor {
  const headers = { [TRACE_HEADER]: defaultPayloadConverter.toPayload(traced(id)) };
  return {
    startWithDetails: (input, next) => next({ ...input, headers }),
    signal: (input, next) => next({ ...input, headers }),
  };
}

/** What the history keeps of traces: of the start, and of each signal from outside. */
async function headersIn(sessionId: string): Promise<{ start: unknown[]; signals: unknown[] }> {
  const { events } = await temporal.client.workflow.getHandle(sessionId).fetchHistory();
  const start: unknown[] = [];
  const signals: unknown[] = [];
  for (const event of events ?? []) {
    const { workflowExecutionStartedEventAttributes: started, workflowExecutionSignaledEventAttributes: signal } =
      event;
    if (started) start.push(traceIn(started.header?.fields?.[TRACE_HEADER]?.data));
    if (signal) signals.push(traceIn(signal.header?.fields?.[TRACE_HEADER]?.data));
  }
  return { start, signals };
}

function traceIn(data: Uint8Array | null | undefined): string | undefined {
  return data ? Buffer.from(data).toString() : undefined;
}
