import { expect, test } from '@jest/globals';
import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/common';
import type { TimeoutType } from '@temporalio/common';
import { mayTakeEffect, startFailure } from '../../workflows/activity-failures.js';

function failed(cause: Error): ActivityFailure {
  return new ActivityFailure(undefined, 'startLeg', '1', 'MAXIMUM_ATTEMPTS_REACHED', undefined, cause);
}

const timedOut = (type: TimeoutType) => failed(new TimeoutFailure(undefined, undefined, type));
const ofType = (type: string, details: unknown[] = []) => failed(ApplicationFailure.create({ type, details }));

test('a start that certainly was not sent may be sent again', () => {
  expect(startFailure(ofType('platform.throttled', [{ retryAfterMs: 1_500 }]))).toMatchObject({
    kind: 'not-sent',
    retryAfterMs: 1_500,
  });
  expect(startFailure(ofType('platform.unreachable'))).toMatchObject({ kind: 'not-sent', retryAfterMs: undefined });
  expect(startFailure(timedOut('SCHEDULE_TO_START'))).toMatchObject({ kind: 'not-sent' });
});

test.each([
  ['a lost answer', ofType('platform.ambiguous')],
  ['a worker that is gone', timedOut('START_TO_CLOSE')],
  ['a failure nobody thought of', ofType('TypeError')],
  ['a failure of another form', new Error('?')],
])('%s is ambiguous', (_, error) => {
  expect(startFailure(error)).toMatchObject({ kind: 'ambiguous' });
});

test('an earlier attempt that may still send keeps the window open for as long', () => {
  const now = Date.now();
  const failure = startFailure(ofType('platform.ambiguous', [{ mayStillSendMs: 40_000 }]));
  expect(failure.kind === 'ambiguous' && failure.sentByMs).toBeGreaterThanOrEqual(now + 40_000);
});

test('a change may come late unless it certainly was not sent', () => {
  for (const type of ['throttled', 'unreachable', 'not-ready', 'unauthorized']) {
    expect(mayTakeEffect(ofType(`platform.${type}`))).toBe(false);
  }
  expect(mayTakeEffect(ofType('platform.ambiguous'))).toBe(true);
  expect(mayTakeEffect(timedOut('START_TO_CLOSE'))).toBe(true);
});
