import { context, SpanKind, trace } from '@opentelemetry/api';
import type { Span, Tracer } from '@opentelemetry/api';
import type { WorkflowClientInterceptor } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { Headers } from '@temporalio/common';
import { TRACE_HEADER, traceparentOf } from '../domain/trace-context.js';
import { attributesOfSession } from './attributes.js';
import { endFailed } from './tracing.js';

/**
 * Client spans of what is sent to workflows, below the span that is recorded at the time; where none is, nothing is done at all.
 *
 * @param carries whether sessions are to go on in the same trace: then their starts and signals have a header, which the
 * history keeps. Updates have none: they only wait for what a signal has caused.
 */
export function temporalCalls(tracer: Tracer, carries: boolean): WorkflowClientInterceptor {
  const traced = async <Result>(
    call: string,
    workflowId: string,
    send: (headersOf: (headers: Headers) => Headers) => Promise<Result>,
  ): Promise<Result> => {
    if (trace.getActiveSpan()?.isRecording() !== true) return send((headers) => headers);
    const session = attributesOfSession(workflowId);
    const attributes = { 'rpc.system.name': 'temporal', 'temporal.workflow.id': workflowId, ...session };
    const carriesThis = carries && session !== undefined;
    const span = tracer.startSpan(`Temporal ${call}`, { kind: SpanKind.CLIENT, attributes });
    return context.with(trace.setSpan(context.active(), span), async () => {
      try {
        const result = await send((headers) => (carriesThis ? { ...headers, ...headerOf(span) } : headers));
        span.end();
        return result;
      } catch (error) {
        endFailed(span, error instanceof Error ? error.name : 'unknown');
        throw error;
      }
    });
  };
  return {
    startWithDetails: (input, next) =>
      traced(`start ${input.workflowType}`, input.options.workflowId, (headersOf) =>
        next({ ...input, headers: headersOf(input.headers) }),
      ),
    signal: (input, next) =>
      traced(`signal ${input.signalName}`, input.workflowExecution.workflowId, (headersOf) =>
        next({ ...input, headers: headersOf(input.headers) }),
      ),
    signalWithStart: (input, next) => traced(`signal ${input.signalName}`, input.options.workflowId, () => next(input)),
    startUpdate: (input, next) =>
      traced(`update ${input.updateName}`, input.workflowExecution.workflowId, () => next(input)),
    startUpdateWithStart: (input, next) =>
      traced(`update ${input.updateName}`, input.workflowStartOptions.workflowId, () => next(input)),
  };
}

function headerOf(span: Span): Headers {
  const { traceId, spanId } = span.spanContext();
  return { [TRACE_HEADER]: defaultPayloadConverter.toPayload({ traceparent: traceparentOf({ traceId, spanId }) }) };
}
