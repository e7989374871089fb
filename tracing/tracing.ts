import { randomUUID } from 'node:crypto';
import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Attributes, Span, Tracer } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, RandomIdGenerator } from '@opentelemetry/sdk-trace-base';
import type { SpanExporter } from '@opentelemetry/sdk-trace-base';
import type { Logger } from 'pino';
import type { TracingSettings } from '../domain/tracing-settings.js';
import { QuietExporter } from './quiet-exporter.js';

/**
 * How long the last spans may take to their collector once the process is told to stop, ms: together with what requests get
 * (`api/main.ts`) less than the 10 s after which the supervisor kills.
 */
const FLUSH_LIMIT_MS = 1_000;

export interface TracingOptions {
  readonly part: 'api' | 'worker';
  readonly settings: TracingSettings;
  /** Where it says that spans are lost, once, and when they no longer are. The log is made later: it has `logFields`. */
  readonly log: () => Pick<Logger, 'info' | 'warn'>;
  /** @default OTLP over HTTP, as `OTEL_EXPORTER_OTLP_*` say */
  readonly exporter?: SpanExporter;
}

/** What of a process's traces everybody needs. */
export interface Tracing {
  readonly tracer: Tracer;
  /** Has the span that is made meanwhile have an id that others have derived before. */
  readonly withSpanId: <Result>(spanId: string, work: () => Result) => Result;
  /** Which span a line of the log belongs to: `trace_id` and `span_id`, or nothing. */
  readonly logFields: () => LogFields;
  /**
   * Sends what has not been sent, for a second at most. What could not be is lost.
   * @returns whether all that was going on is over; else something waits for the collector, and keeps the process alive
   */
  readonly close: () => Promise<boolean>;
}

export interface LogFields {
  trace_id?: string;
  span_id?: string;
}

/** Sets OpenTelemetry up, once a process. Sampling, batches and limits are as its own variables say. */
export async function startTracing(options: TracingOptions): Promise<Tracing> {
  const exporter = new QuietExporter(options.exporter ?? (await otlpExporter(options.settings)), {
    lost: (cause) => {
      const log = options.log();
      log.warn({ cause }, 'traces.lost');
    },
    told: () => {
      const log = options.log();
      log.info('traces.told');
    },
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const random = new RandomIdGenerator();
  let nextSpanId: string | undefined;
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(
        resourceFromAttributes({
          'service.name': `earshot-${options.part}`,
          'service.namespace': 'earshot',
          'service.instance.id': randomUUID(),
        }),
      )
      // What the environment says goes first.
      .merge(detectResources({ detectors: [envDetector] })),
    idGenerator: {
      generateTraceId: () => random.generateTraceId(),
      generateSpanId: () => nextSpanId ?? random.generateSpanId(),
    },
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  return {
    tracer: provider.getTracer('earshot'),
    withSpanId: (spanId, work) => {
      nextSpanId = spanId;
      try {
        return work();
      } finally {
        nextSpanId = undefined;
      }
    },
    logFields: () => fieldsOf(trace.getActiveSpan()),
    close: () => within(FLUSH_LIMIT_MS, provider.shutdown()),
  };
}

/** Of a span that is recorded: nobody finds another one. */
export function fieldsOf(span: Span | undefined): LogFields {
  if (span?.isRecording() !== true) return {};
  const { traceId, spanId } = span.spanContext();
  return { trace_id: traceId, span_id: spanId };
}

/** Ends a span of what failed. The message may hold anything; the name of the error, or its code, is what can be counted. */
export function endFailed(span: Span, type: string, attributes: Attributes = {}): void {
  span.setAttributes({ ...attributes, 'error.type': type });
  span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}

/** Only one of the two is ever loaded. */
async function otlpExporter({ protocol }: TracingSettings): Promise<SpanExporter> {
  const { OTLPTraceExporter } =
    protocol === 'http/json'
      ? await import('@opentelemetry/exporter-trace-otlp-http')
      : await import('@opentelemetry/exporter-trace-otlp-proto');
  return new OTLPTraceExporter();
}

async function within(limitMs: number, work: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, limitMs, false);
  });
  const done = work.then(
    () => true,
    // Told already, by the exporter.
    () => true,
  );
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}
