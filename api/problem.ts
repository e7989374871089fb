import { z } from 'zod';
import type { FieldFault } from '../domain/input-faults.js';
import { PROBLEM_CODES } from '../domain/errors.js';
import type { ProblemCode } from '../domain/errors.js';

export interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** Seconds after which a repeat makes sense. */
  readonly retryAfter?: number;
}

/** Every problem that is answered, by its code. */
export const PROBLEMS: Readonly<Record<ProblemCode, ProblemKind>> = {
  'invalid.request': { status: 400, title: 'The request is not valid' },
  'authentication.required': { status: 401, title: 'A valid bearer is required' },
  'authentication.unavailable': { status: 503, title: 'Tokens cannot be checked at the moment', retryAfter: 2 },
  'access.denied': { status: 403, title: 'The caller may not do this' },
  'upgrade.required': { status: 426, title: 'This address speaks WebSocket' },
  'too.many.connections': { status: 503, title: 'No more connections can be held', retryAfter: 10 },
  'rate.limited': { status: 429, title: 'The caller sends more requests than it may', retryAfter: 10 },
  'webhook.signature.invalid': { status: 401, title: 'The event is not signed as it should be' },
  'not.found': { status: 404, title: 'There is no such address' },
  'session.not.found': { status: 404, title: 'There is no such session' },
  'command.not.found': { status: 404, title: 'The session knows no such command' },
  'method.not.allowed': { status: 405, title: 'This address does not take that method' },
  'not.acceptable': { status: 406, title: 'The answer is in none of the formats asked for' },
  'session.ended': { status: 409, title: 'The session has ended' },
  'session.ending': { status: 409, title: 'The previous session is still ending', retryAfter: 2 },
  'session.superseded': { status: 409, title: 'Another session has taken the place of the one meant' },
  'payload.too.large': { status: 413, title: 'The body is too large' },
  'unsupported.media.type': { status: 415, title: 'The body must be JSON' },
  'idempotency.key.reused': { status: 422, title: 'The Idempotency-Key was used for another request' },
  'temporal.unreachable': { status: 503, title: 'Temporal cannot be used at the moment', retryAfter: 2 },
  'workers.unavailable': { status: 503, title: 'No worker answers at the moment', retryAfter: 5 },
  'platform.unavailable': { status: 503, title: 'The telephony platform does not answer as it should', retryAfter: 5 },
  'internal.error': { status: 500, title: 'Something unexpected went wrong' },
};

/** The body of every problem (RFC 9457). */
export const problemBody = z.object({
  type: z.string().describe('urn:earshot:problem: and the code.'),
  title: z.string(),
  status: z.int(),
  code: z.enum(PROBLEM_CODES).describe('What programs tell it by: never changes its meaning.'),
  detail: z.string().describe('What happened and what helps, for people.'),
  instance: z.string().describe('Leads to the request’s line in the log.'),
  errors: z
    .array(z.object({ field: z.string(), message: z.string() }))
    .optional()
    .describe('Of invalid.request: each field that is wrong.'),
});

interface ProblemOptions {
  readonly errors?: readonly FieldFault[];
  readonly headers?: Readonly<Record<string, string>>;
  /** What the log shows and the answer does not. */
  readonly cause?: unknown;
}

/** An error answer of REST (RFC 9457). Throw it anywhere below a handler. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly errors: readonly FieldFault[] | undefined;
  /** Headers that the answer carries, `Retry-After` included. */
  readonly headers: Readonly<Record<string, string>>;

  /** @param detail What happened and what helps, for the person who called. */
  constructor(
    readonly code: ProblemCode,
    detail: string,
    { errors, headers = {}, cause }: ProblemOptions = {},
  ) {
    super(detail, cause === undefined ? {} : { cause });
    const { status, retryAfter } = PROBLEMS[code];
    this.status = status;
    this.errors = errors;
    this.headers = { ...(retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) }), ...headers };
  }

  /** The body of the answer; `instance` leads to the line in the log. */
  toBody(requestId: string): z.infer<typeof problemBody> {
    return {
      type: `urn:earshot:problem:${this.code}`,
      title: PROBLEMS[this.code].title,
      status: this.status,
      code: this.code,
      detail: this.message,
      instance: `urn:earshot:request:${requestId}`,
      ...(this.errors === undefined ? {} : { errors: [...this.errors] }),
    };
  }
}

/** A `400` that names what is wrong. */
export function invalidRequest(errors: readonly FieldFault[]): Problem {
  const [first, ...others] = errors;
  const detail = first === undefined ? 'The request is not valid.' : `${first.field}: ${first.message}`;
  return new Problem('invalid.request', others.length === 0 ? detail : `${detail} (and ${others.length} more)`, {
    errors,
  });
}
