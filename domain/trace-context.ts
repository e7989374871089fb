/**
 * The header under which Temporal's OpenTelemetry interceptors of every language carry a trace, with `{traceparent}` as JSON:
 * a direct starter that uses them has its sessions in its own trace.
 */
export const TRACE_HEADER = '_tracer-data';

/** A span of a trace that is recorded, as its children know it: W3C Trace Context, lower-case hexadecimal. */
export interface TraceContext {
  /** 32 digits. */
  readonly traceId: string;
  /** 16 digits. */
  readonly spanId: string;
}

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]([0-9a-f])(?:-.*)?$/;

/** What a `traceparent` says, and whether its trace is recorded; `undefined` where it makes no sense. */
export function parseTraceparent(given: unknown): (TraceContext & { readonly isSampled: boolean }) | undefined {
  if (typeof given !== 'string' || given.length > 128) return undefined;
  const [, traceId = '', spanId = '', flags = '0'] = TRACEPARENT.exec(given) ?? [];
  if (!/[1-9a-f]/.test(traceId) || !/[1-9a-f]/.test(spanId)) return undefined;
  return { traceId, spanId, isSampled: Number.parseInt(flags, 16) % 2 === 1 };
}

/** The span of a recorded trace in what the header holds, which anybody may have sent; `undefined`: there is none. */
export function traceContextIn(carrier: unknown): TraceContext | undefined {
  if (typeof carrier !== 'object' || carrier === null || !('traceparent' in carrier)) return undefined;
  const { isSampled = false, ...context } = parseTraceparent(carrier.traceparent) ?? {};
  return isSampled && 'traceId' in context ? context : undefined;
}

/** The `traceparent` of a span that is recorded. */
export function traceparentOf({ traceId, spanId }: TraceContext): string {
  return `00-${traceId}-${spanId}-01`;
}

/**
 * The id of the span that stands for a command in a run of its session. Derived, not drawn: a replay must come to the same
 * one, and a draw from the workflow's random numbers would change all that follow.
 */
export function commandSpanId(runId: string, commandId: string): string {
  const text = `${runId}/${commandId}`;
  const id = digits(text, 0x811c9dc5) + digits(text, 0x050c5d1f);
  return /[1-9a-f]/.test(id) ? id : '0000000000000001';
}

/** 32 bits of FNV-1a from a given start, with the last steps of Murmur3 so that every bit depends on every character. */
function digits(text: string, start: number): string {
  let hash = start;
  for (let n = 0; n < text.length; n += 1) hash = Math.imul(hash ^ text.charCodeAt(n), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0).toString(16).padStart(8, '0');
}
