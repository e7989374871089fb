import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { sessionQuery } from '../../api/visibility-query.js';
import { literal, runningSessionsOf } from '../../directory/list-filter.js';

/** Reads a literal as Temporal's parser does (vitess: backslash escapes) and says where it ends. */
function read(text: string): { readonly value: string; readonly end: number } {
  let value = '';
  for (let at = 1; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === "'") return { value, end: at + 1 };
    if (character === '\\') at += 1;
    value += text.charAt(at);
  }
  throw new Error('the literal does not end');
}

const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(fc.constantFrom("'", '\\', '"', ' OR ', '--', ')', '1=1', '`', '\n'), { maxLength: 12 })
    .map((parts) => parts.join('')),
);

test('no value ends its literal early, and every value survives', () => {
  fc.assert(
    fc.property(hostile, (value) => {
      const quoted = literal(value);
      expect(read(quoted)).toEqual({ value, end: quoted.length });
    }),
  );
});

test('the filters of a list are as the table of states says', () => {
  const base = "WorkflowType = 'monitoringSession' AND ExecutionStatus != 'ContinuedAsNew'";
  expect(sessionQuery({})).toBe(base);
  expect(sessionQuery({ interactionId: 'i~1', supervisorId: 's' })).toBe(`${base} AND WorkflowId = 'session~i%7E1~s'`);
  expect(sessionQuery({ interactionId: "i'" })).toBe(`${base} AND WorkflowId STARTS_WITH 'session~i%27~'`);
  expect(sessionQuery({ supervisorId: "s' OR '1'='1" })).toBe(`${base} AND SupervisorId = 's\\' OR \\'1\\'=\\'1'`);
  // What is paused is neither closed nor running.
  const closed = "('Completed', 'Failed', 'Canceled', 'Terminated', 'ContinuedAsNew', 'TimedOut')";
  expect(sessionQuery({ state: 'TERMINATED' })).toBe(`${base} AND ExecutionStatus IN ${closed}`);
  expect(sessionQuery({ state: 'BARGE' })).toBe(
    `${base} AND ExecutionStatus NOT IN ${closed} AND SessionState = 'BARGE'`,
  );
  expect(sessionQuery({ state: 'PENDING' })).toMatch(/ AND \(SessionState = 'PENDING' OR SessionState IS NULL\)$/);
  expect(runningSessionsOf(['a', 'b'])).toMatch(/ AND InteractionId IN \('a', 'b'\)$/);
});
