import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } from '@opentelemetry/api';
import type { Context, Tracer } from '@opentelemetry/api';
import type { Info } from '@temporalio/activity';
import { ApplicationFailure, ApplicationFailureCategory, defaultPayloadConverter } from '@temporalio/common';
import type { Headers } from '@temporalio/common';
import type { ActivityInboundCallsInterceptor, InjectedSinks, WorkerInterceptors } from '@temporalio/worker';
import { TRACE_HEADER, traceContextIn } from '../domain/trace-context.js';
import type { TraceContext } from '../domain/trace-context.js';
import type { CallObserver } from '../platform/call-observer.js';
import type { TraceSinks } from '../workflows/trace-interceptors.js';
import { attributesOf, attributesOfSession } from './attributes.js';
import { temporalCalls } from './temporal-calls.js';
import { endFailed, startTracing } from './tracing.js';
import type { Tracing, TracingOptions } from './tracing.js';

/** Traces as a worker makes them. Whatever no traced request has caused is in none. */
export interface WorkerTracing extends Pick<Tracing, 'logFields' | 'close'> {
  readonly interceptors: WorkerInterceptors;
  readonly sinks: InjectedSinks<TraceSinks>;
  /** Makes a span of each request to the platform, within that of its activity. */
  readonly calls: CallObserver;
}

export async function traceWorker(options: Omit<TracingOptions, 'part'>): Promise<WorkerTracing> {
  const { tracer, withSpanId, logFields, close } = await startTracing({ ...options, part: 'worker' });
  const client = { workflow: [temporalCalls(tracer, false)] };
  return {
    logFields,
    close,
    interceptors: { activity: [({ info }) => ({ inbound: activitySpans(tracer, info) })], client },
    sinks: {
      traces: {
        settled: {
          fn: (_info, { traceId, spanId, parentSpanId, action, status, reason, tookMs, ...subject }) => {
            const endMs = Date.now();
            const attributes = {
              ...attributesOf(subject),
              'earshot.command.action': action,
              'earshot.command.status': status,
              ...(reason === undefined ? {} : { 'earshot.command.reason': reason }),
            };
            const of = { attributes, startTime: endMs - (tookMs ?? 0) };
            const parent = contextOf({ traceId, spanId: parentSpanId });
            const span = withSpanId(spanId, () => tracer.startSpan(`command ${action}`, of, parent));
            if (status === 'failed') span.setStatus({ code: SpanStatusCode.ERROR });
            span.end(endMs);
          },
        },
      },
    },
    calls: {
      sent: (operation, result, seconds, { method, status }) => {
        if (trace.getActiveSpan()?.isRecording() !== true) return;
        const attributes = {
          'http.request.method': method,
          'earshot.platform.operation': operation,
          ...(status === undefined ? {} : { 'http.response.status_code': status }),
        };
        const startTime = Date.now() - seconds * 1_000;
        const span = tracer.startSpan(`platform ${operation}`, { kind: SpanKind.CLIENT, attributes, startTime });
        if (result === '2xx') span.end();
        else endFailed(span, result);
      },
      notSent: (operation, why) => {
        trace.getActiveSpan()?.addEvent('platform request not sent', { 'earshot.platform.operation': operation, why });
      },
      tokenRequested: (result) => {
        trace.getActiveSpan()?.addEvent('platform token requested', { result });
      },
    },
  };
}

function activitySpans(tracer: Tracer, info: Info): ActivityInboundCallsInterceptor {
  return {
    async execute(input, next) {
      const parent = contextIn(input.headers);
      if (parent === undefined) return next(input);
      const workflowId = info.workflowExecution?.workflowId;
      const attributes = {
        'temporal.activity.type': info.activityType,
        'temporal.activity.attempt': info.attempt,
        'temporal.activity.is_local': info.isLocal,
        'earshot.queued_ms': Math.max(0, Date.now() - info.currentAttemptScheduledTimestampMs),
        ...(workflowId === undefined ? {} : { 'temporal.workflow.id': workflowId, ...attributesOfSession(workflowId) }),
      };
      const span = tracer.startSpan(`activity ${info.activityType}`, { attributes }, parent);
      return context.with(trace.setSpan(parent, span), async () => {
        try {
          const result = await next(input);
          span.end();
          return result;
        } catch (error) {
          const type = failureType(error);
          if (isBenign(error)) span.setAttribute('earshot.outcome', type).end();
          else endFailed(span, type);
          throw error;
        }
      });
    },
  };
}

function contextIn(headers: Headers): Context | undefined {
  const payload = headers[TRACE_HEADER];
  if (payload === undefined) return undefined;
  try {
    const parent = traceContextIn(defaultPayloadConverter.fromPayload(payload));
    return parent && contextOf(parent);
  } catch {
    return undefined;
  }
}

function contextOf(parent: TraceContext): Context {
  return trace.setSpanContext(ROOT_CONTEXT, { ...parent, traceFlags: TraceFlags.SAMPLED, isRemote: true });
}

/** The code that a failure has here and in Temporal. */
function failureType(error: unknown): string {
  if (error instanceof ApplicationFailure && typeof error.type === 'string') return error.type;
  return error instanceof Error ? error.name : 'unknown';
}

/** Part of the usual course of things, such as a leg that is not active yet. */
function isBenign(error: unknown): boolean {
  return error instanceof ApplicationFailure && error.category === ApplicationFailureCategory.BENIGN;
}
