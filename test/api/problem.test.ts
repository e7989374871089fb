import { WorkflowNotFoundError } from '@temporalio/client';
import { expect, test } from '@jest/globals';
import { z } from 'zod';
import { toProblem } from '../../api/answer-problems.js';
import { invalidRequest, Problem } from '../../api/problem.js';
import { fieldFaults } from '../../domain/input-faults.js';
import { TemporalTimeout } from '../../api/temporal-problem.js';
import { startSessionInput } from '../../domain/commands.js';

function grpc(code: number, details: string): Error {
  const error = Object.assign(new Error(details), { code, details, metadata: {} });
  return new Error('Failed to start Workflow', { cause: error });
}

test.each([
  ['a missing workflow', new WorkflowNotFoundError('gone', 'w', undefined), 404, 'session.not.found'],
  ['a timeout', new TemporalTimeout('no answer within 5000 ms'), 503, 'temporal.unreachable'],
  ['a refused connection', grpc(14, 'ECONNREFUSED'), 503, 'temporal.unreachable'],
  ['a deadline', grpc(4, 'Deadline exceeded'), 503, 'temporal.unreachable'],
  ['an overloaded server', grpc(8, 'slow down'), 503, 'temporal.unreachable'],
  ['a wrong Temporal key', grpc(7, 'denied'), 503, 'temporal.unreachable'],
  ['a missing namespace', grpc(5, 'Namespace nope is not found.'), 503, 'temporal.unreachable'],
  ['missing search attributes', grpc(3, 'no mapping defined for search attribute X'), 503, 'temporal.unreachable'],
  ['an argument that Temporal refuses', grpc(3, 'something else'), 500, 'internal.error'],
  ['a fault in the code', new TypeError('x is not a function'), 500, 'internal.error'],
  ['something that is no error', 'a string', 500, 'internal.error'],
  ['a body that is no JSON', { status: 400, type: 'entity.parse.failed', message: 'bad' }, 400, 'invalid.request'],
  ['a body that is too large', { status: 413, type: 'entity.too.large', message: 'big' }, 413, 'payload.too.large'],
  ['a compressed body', { status: 415, type: 'encoding.unsupported', message: 'gzip' }, 415, 'unsupported.media.type'],
  ['a path that is not encoded well', { status: 400, message: "Failed to decode param '%'" }, 400, 'invalid.request'],
])('%s is answered %#', (_name, error, status, code) => {
  expect(toProblem(error)).toMatchObject({ status, code });
});

test('of an unexpected error nothing is told', () => {
  const body = JSON.stringify(toProblem(new Error('the secret of the house')).toBody('r1'));
  expect(body).not.toContain('secret of the house');
  expect(body).toContain('urn:earshot:request:r1');
});

test('a 503 says when to come back', () => {
  expect(toProblem(grpc(14, 'down')).headers).toMatchObject({ 'Retry-After': '2' });
});

test('every unknown field, nested ones dotted, is an error of its own', () => {
  const nested = z.strictObject({ a: z.strictObject({ b: z.string() }) });
  const faults = nested.safeParse({ a: { b: 1, c: 2, d: 3 }, e: 4 });
  expect(
    faults.success
      ? []
      : fieldFaults(faults.error, 'body')
          .map(({ field }) => field)
          .toSorted(),
  ).toEqual(['a.b', 'a.c', 'a.d', 'e']);
});

test('what is missing is said to be required, and what is no object at all is named as a whole', () => {
  const faults = (value: unknown) => {
    const result = startSessionInput.safeParse(value);
    return result.success ? [] : fieldFaults(result.error, 'body');
  };
  expect(faults({ interactionId: 'i' })).toEqual([{ field: 'supervisorId', message: 'is required' }]);
  expect(faults([])).toMatchObject([{ field: 'body' }]);
  expect(faults(undefined)).toEqual([{ field: 'body', message: 'is required' }]);
});

test('a 400 counts what it found in its detail', () => {
  const faults = [
    { field: 'a', message: 'is wrong' },
    { field: 'b', message: 'is wrong' },
  ];
  expect(invalidRequest(faults)).toBeInstanceOf(Problem);
  expect(invalidRequest(faults).message).toBe('a: is wrong (and 1 more)');
});
