import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';
import type { WorkflowClientInterceptor } from '@temporalio/client';
import { parseTraceparent } from '../domain/trace-context.js';
import { attributesOf } from './attributes.js';
import type { Subject } from './attributes.js';
import { temporalCalls } from './temporal-calls.js';
import { fieldsOf, startTracing } from './tracing.js';
import type { LogFields, Tracing, TracingOptions } from './tracing.js';

/** What is known of a request once it is answered. */
export interface AnsweredRequest extends Subject {
  /** The route's pattern; `undefined`: there is none. */
  readonly route: string | undefined;
  readonly status: number;
  /** The code of the problem that was answered. */
  readonly problem: string | undefined;
  readonly action: string | undefined;
  /** The caller has gone before the answer was out. */
  readonly isAbandoned: boolean;
}

/** The span of a request. */
export interface RequestSpan {
  readonly logFields: LogFields;
  readonly end: (answered: AnsweredRequest) => void;
}

/** Traces as the API makes them. */
export interface ApiTracing extends Pick<Tracing, 'logFields' | 'close'> {
  /** Of the client of Temporal. */
  readonly clientInterceptor: WorkflowClientInterceptor;
  /** Handles a request in a span, below that of its `traceparent`. */
  readonly serve: (method: string, traceparent: string | undefined, handle: (span: RequestSpan) => void) => void;
}

/** Methods that clients make up are one name, so that they cannot fill anybody's list of names. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

export async function traceApi(options: Omit<TracingOptions, 'part'>): Promise<ApiTracing> {
  const { tracer, logFields, close } = await startTracing({ ...options, part: 'api' });
  return {
    logFields,
    close,
    clientInterceptor: temporalCalls(tracer, true),
    serve: (given, traceparent, handle) => {
      const method = METHODS.includes(given) ? given : '_OTHER';
      const parent = contextOf(traceparent);
      const attributes = { 'http.request.method': method };
      const span = tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, parent);
      const end = ({ route, status, problem, action, isAbandoned, ...subject }: AnsweredRequest): void => {
        if (route !== undefined) span.updateName(`${method} ${route}`);
        const errorType = problem ?? (isAbandoned ? 'abandoned' : status >= 400 ? String(status) : undefined);
        span.setAttributes({
          'http.response.status_code': status,
          ...(route === undefined ? {} : { 'http.route': route }),
          ...(action === undefined ? {} : { 'earshot.command.action': action }),
          ...(errorType === undefined ? {} : { 'error.type': errorType }),
          ...attributesOf(subject),
        });
        // By the conventions a caller's mistake is no error of the server.
        if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      };
      context.with(trace.setSpan(parent, span), () => handle({ logFields: fieldsOf(span), end }));
    },
  };
}

/** Whoever asked has `tracestate` and baggage too, perhaps: any text, which goes no further. */
function contextOf(traceparent: string | undefined): Context {
  const { isSampled, ...parent } = parseTraceparent(traceparent) ?? {};
  if (!('traceId' in parent)) return ROOT_CONTEXT;
  const traceFlags = isSampled === true ? TraceFlags.SAMPLED : TraceFlags.NONE;
  return trace.setSpanContext(ROOT_CONTEXT, { ...parent, traceFlags, isRemote: true });
}
