import { expect, test } from '@jest/globals';
import { commandSpanId, parseTraceparent, traceContextIn, traceparentOf } from '../../domain/trace-context.js';

const context = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };

test('a traceparent is read as it is written', () => {
  expect(traceparentOf(context)).toBe('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
  expect(parseTraceparent(traceparentOf(context))).toEqual({ ...context, isSampled: true });
});

test('one of a later version is read as far as it is known, and its flags bit by bit', () => {
  const later = '01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03-more';
  expect(parseTraceparent(later)).toEqual({ ...context, isSampled: true });
  expect(parseTraceparent(later.replace('-03-', '-02-'))).toEqual({ ...context, isSampled: false });
});

test.each([
  ['nothing', undefined],
  ['no text', 7],
  ['a forbidden version', 'ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
  ['a trace of zeros', '00-00000000000000000000000000000000-00f067aa0ba902b7-01'],
  ['a span of zeros', '00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01'],
  ['capitals', '00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01'],
  ['two of them', `${traceparentOf(context)}, ${traceparentOf(context)}`],
  ['a very long one', `${traceparentOf(context)}-${'x'.repeat(200)}`],
])('%s is no traceparent', (_what, given) => {
  expect(parseTraceparent(given)).toBeUndefined();
});

test('a header tells of recorded traces alone', () => {
  expect(traceContextIn({ traceparent: traceparentOf(context), tracestate: 'a=b' })).toEqual(context);
  expect(traceContextIn({ traceparent: traceparentOf(context).replace(/1$/, '0') })).toBeUndefined();
  for (const carrier of [undefined, null, 'text', {}, { traceparent: 1 }]) {
    expect(traceContextIn(carrier)).toBeUndefined();
  }
});

test('the span of a command has an id that depends on all of both, and on nothing else', () => {
  const ids = ['run-1', 'run-2', ''].flatMap((run) =>
    ['~start', '~mode', 'barge-1', 'barge-2', 'é'.repeat(128)].map((command) => commandSpanId(run, command)),
  );
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{16}$/);
  expect(new Set(ids).size).toBe(ids.length);
  expect(commandSpanId('run-1', '~start')).toBe(ids[0]);
  const many = Array.from({ length: 20_000 }, (_, n) => commandSpanId('run', `command-${n}`));
  expect(new Set(many).size).toBe(many.length);
});
