import { defaultPayloadConverter } from '@temporalio/common';
import type { Headers } from '@temporalio/common';
import { AsyncLocalStorage, proxySinks, workflowInfo } from '@temporalio/workflow';
import type { Sink, Sinks, WorkflowInterceptors } from '@temporalio/workflow';
import type { CommandOutcomeNews } from '../domain/command-outcomes.js';
import { INITIAL_MODE_COMMAND_ID, START_COMMAND_ID } from '../domain/commands.js';
import { commandSpanId, TRACE_HEADER, traceContextIn, traceparentOf } from '../domain/trace-context.js';
import type { TraceContext } from '../domain/trace-context.js';
import { INTERACTION_ENDED_SIGNAL, MONITORING_SESSION } from '../domain/workflow-contract.js';
import { traceWith } from './trace-hook.js';

/** The span of a command, from its acceptance to its outcome. */
export interface CommandSpan extends CommandOutcomeNews {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
}

/** What a worker that traces gives workflows to speak through. Not called on replay. */
export interface TraceSinks extends Sinks {
  traces: TraceSink;
}

interface TraceSink extends Sink {
  settled(span: CommandSpan): void;
}

/** A cause that belongs to a trace. */
interface TracedCause {
  /** As whoever asked for it is known. */
  readonly parent: TraceContext;
  /** The cause's own span, where it has one. */
  readonly spanId: string | undefined;
  /** What activities on its behalf carry. */
  readonly headers: Headers;
}

/**
 * In the bundle of a worker that traces, and in no other (`worker/workflow-bundle.ts`): has the activities of a session carry
 * the trace of the request on whose behalf they run. Everything goes through as it comes, in the same order and by the same
 * promises, so that a history replays with this as without it (docs/decisions/0020-tracing.md).
 */
export function interceptors(): WorkflowInterceptors {
  const { workflowType, runId } = workflowInfo();
  if (workflowType !== MONITORING_SESSION) return {};
  const { traces } = proxySinks<TraceSinks>();
  const current = new AsyncLocalStorage<TracedCause | undefined>();
  const causes = new Map<string, TracedCause>();
  /** Of the message that is being handled. */
  let incoming: TraceContext | undefined;

  const note = (cause: string, parent: TraceContext | undefined): void => {
    if (parent === undefined) return;
    // The end of the call is nobody's command: what it causes stands right below whoever told of it.
    const spanId = cause === INTERACTION_ENDED_SIGNAL ? undefined : commandSpanId(runId, cause);
    causes.set(cause, {
      parent,
      spanId,
      headers: headersOf({ ...parent, ...(spanId === undefined ? {} : { spanId }) }),
    });
  };
  traceWith({
    heard: (cause) => note(cause, incoming),
    because: (cause, work) => {
      const traced = causes.get(cause);
      return traced === undefined ? work() : current.run(traced, work);
    },
    settled: (outcomes) => {
      for (const outcome of outcomes) {
        const { parent, spanId } = causes.get(outcome.commandId) ?? {};
        if (parent === undefined || spanId === undefined) continue;
        causes.delete(outcome.commandId);
        traces.settled({ ...outcome, traceId: parent.traceId, spanId, parentSpanId: parent.spanId });
      }
    },
  });
  const carrying = <Input extends { readonly headers: Headers }>(input: Input): Input => {
    const traced = current.getStore();
    return traced === undefined ? input : { ...input, headers: { ...input.headers, ...traced.headers } };
  };
  return {
    inbound: [
      {
        execute(input, next) {
          const parent = contextIn(input.headers);
          note(START_COMMAND_ID, parent);
          note(INITIAL_MODE_COMMAND_ID, parent);
          return next(input);
        },
        handleSignal(input, next) {
          incoming = contextIn(input.headers);
          try {
            // A handler only writes down what was asked, before it returns.
            return next(input);
          } finally {
            incoming = undefined;
          }
        },
      },
    ],
    outbound: [
      {
        scheduleActivity: (input, next) => next(carrying(input)),
        scheduleLocalActivity: (input, next) => next(carrying(input)),
      },
    ],
    internals: [
      {
        dispose(input, next) {
          current.disable();
          next(input);
        },
      },
    ],
  };
}

/** Of what makes no sense there is no trace. */
function contextIn(headers: Headers): TraceContext | undefined {
  const payload = headers[TRACE_HEADER];
  if (payload === undefined) return undefined;
  try {
    return traceContextIn(defaultPayloadConverter.fromPayload(payload));
  } catch {
    return undefined;
  }
}

function headersOf(context: TraceContext): Headers {
  return { [TRACE_HEADER]: defaultPayloadConverter.toPayload({ traceparent: traceparentOf(context) }) };
}
