import { isGrpcServiceError, WorkflowNotFoundError } from '@temporalio/client';
import { NamespaceNotFoundError } from '@temporalio/common';
import { SEARCH_ATTRIBUTE_NAMES } from '../domain/workflow-contract.js';
import { Problem } from './problem.js';

/** Status codes of gRPC that mean something here (grpc.io/docs/guides/status-codes). */
export const GRPC = {
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** Thrown when Temporal did not answer within the time that a request may take. */
export class TemporalTimeout extends Error {
  override readonly name = 'TemporalTimeout';
}

/** The gRPC status of a failed call, from inside the SDK's own wrapping. */
export function grpcFailure(error: unknown): { readonly code: number; readonly details: string } | undefined {
  const failure = causesOf(error).find(isGrpcServiceError);
  return failure && { code: failure.code, details: failure.details };
}

/** An error, its cause, the cause of that, and so on. */
export function causesOf(error: unknown): unknown[] {
  const causes: unknown[] = [];
  for (let cause = error; typeof cause === 'object' && cause !== null && !causes.includes(cause);) {
    causes.push(cause);
    cause = 'cause' in cause ? cause.cause : undefined;
  }
  return causes;
}

/** Whether the call ran out of time: Temporal was silent, or waited for a worker that is not there. */
export function isTimeout(error: unknown): boolean {
  return error instanceof TemporalTimeout || grpcFailure(error)?.code === GRPC.deadlineExceeded;
}

const UNREACHABLE: readonly number[] = [
  GRPC.cancelled,
  GRPC.unknown,
  GRPC.deadlineExceeded,
  GRPC.resourceExhausted,
  GRPC.aborted,
  GRPC.internal,
  GRPC.unavailable,
];
const REFUSED: readonly number[] = [GRPC.permissionDenied, GRPC.unauthenticated];

/** The problem that a failure of Temporal is to the caller; `undefined` for an error of any other kind. */
export function temporalProblem(error: unknown): Problem | undefined {
  if (error instanceof WorkflowNotFoundError) {
    return new Problem('session.not.found', 'There is no session with this id.', { cause: error });
  }
  if (error instanceof NamespaceNotFoundError) return namespaceMissing(error);
  const failure = grpcFailure(error);
  if (isTimeout(error) || (failure !== undefined && UNREACHABLE.includes(failure.code))) {
    return new Problem('temporal.unreachable', 'Temporal does not answer; repeat the request in a moment.', {
      cause: error,
    });
  }
  if (failure === undefined) return undefined;
  if (REFUSED.includes(failure.code)) {
    return new Problem(
      'temporal.unreachable',
      'Temporal refuses this API: check its TEMPORAL_API_KEY, its TLS settings and TEMPORAL_NAMESPACE.',
      { cause: error },
    );
  }
  if (failure.code === GRPC.notFound && /^Namespace /.test(failure.details)) return namespaceMissing(error);
  if (failure.code === GRPC.invalidArgument && /search attribute/i.test(failure.details)) {
    const commands = SEARCH_ATTRIBUTE_NAMES.map((name) => `--name ${name} --type Keyword`).join(' ');
    return new Problem(
      'temporal.unreachable',
      `Temporal lacks search attributes of sessions. A worker registers them as it starts; by hand: temporal operator search-attribute create ${commands}`,
      { cause: error },
    );
  }
  return undefined;
}

function namespaceMissing(cause: unknown): Problem {
  return new Problem('temporal.unreachable', 'Temporal has no such namespace: check TEMPORAL_NAMESPACE.', { cause });
}
