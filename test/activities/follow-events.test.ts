import { expect, jest, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createEventActivities } from '../../activities/follow-events.js';
import type { EventRoutes } from '../../activities/follow-events.js';
import type { CallEvent, MediaEvent } from '../../domain/platform-events.js';
import type { TelephonyPlatform } from '../../platform/telephony-platform.js';
import { until } from '../support/until.js';

const AT = '2026-11-01T00:00:00.000Z';
const ended: CallEvent = {
  topic: 'interaction.telephony.ended',
  id: 'e',
  timestamp: AT,
  data: { interactionId: 'int-1', reason: 'hangup' },
};
const heard: MediaEvent = {
  topic: 'interaction.telephony.media-metrics',
  data: {
    ...{ interactionId: 'int-1', monitorSessionId: 'ms-1', packetLoss: 0, jitterMs: 1, roundTripMs: 30 },
    sampledAt: AT,
  },
};

/** A shift that is cancelled once `work` is done, and what came of it. */
async function shift(
  routes: EventRoutes,
  followEvents: TelephonyPlatform['followEvents'],
  work: () => Promise<unknown>,
): Promise<unknown> {
  const environment = new MockActivityEnvironment();
  const activities = createEventActivities({ followEvents }, routes);
  const outcome = environment.run(() => activities.followEvents()).catch((error: unknown) => error);
  await work();
  environment.cancel();
  return outcome;
}

/** A connection that is open until nobody wants it any more. */
const open = (signal: AbortSignal | undefined): Promise<string> =>
  new Promise((resolve) => signal?.addEventListener('abort', () => resolve('closed')));
const none = (): Promise<never> => Promise.reject(new Error('Expected no connection'));

test('what happens to calls goes one way, how they sound another', async () => {
  const calls: unknown[] = [];
  const media: unknown[] = [];
  const leave = jest.fn();
  const routes: EventRoutes = {
    calls: (event) => {
      calls.push(event);
      return Promise.resolve();
    },
    media: { take: (sample) => media.push(sample), leave },
  };
  await shift(
    routes,
    async (listener, { signal } = {}) => {
      for (const event of [ended, heard]) await listener.onEvent(event);
      return open(signal);
    },
    () => until('both have come', () => calls.length + media.length === 2),
  );
  expect([calls, media]).toEqual([[ended], [heard.data]]);
  expect(leave).toHaveBeenCalledTimes(1);
});

test('legs are asked about without the stream too, until the shift is over', async () => {
  const leave = jest.fn();
  let polled: AbortSignal | undefined;
  const poll = (signal: AbortSignal): Promise<void> => {
    polled = signal;
    return open(signal).then(() => undefined);
  };
  const outcome = await shift({ media: { take: () => undefined, poll, leave } }, none, () =>
    until('it polls', () => polled),
  );
  // It went on until it was cancelled.
  expect(outcome).toBeInstanceOf(Error);
  expect(polled?.aborted).toBe(true);
  expect(leave).toHaveBeenCalledTimes(1);
});

test('a shift that fails ends the polling', async () => {
  let polled: AbortSignal | undefined;
  const poll = (signal: AbortSignal): Promise<void> => {
    polled = signal;
    return open(signal).then(() => undefined);
  };
  const environment = new MockActivityEnvironment();
  const activities = createEventActivities(
    { followEvents: () => Promise.resolve('closed') },
    // The clock is what ends a shift: after twelve hours.
    { calls: () => Promise.resolve(), media: { take: () => undefined, poll, leave: () => undefined } },
  );
  let passedMs = 0;
  const clock = jest.spyOn(performance, 'now').mockImplementation(() => (passedMs += 12 * 3_600_000));
  try {
    expect(await environment.run(() => activities.followEvents())).toBe('go-on');
  } finally {
    clock.mockRestore();
  }
  expect(polled?.aborted).toBe(true);
});

test('who is to listen to nothing does not', async () => {
  const take = (): void => undefined;
  expect(await shift({ media: { take, leave: take } }, none, () => Promise.resolve())).toBe('off');
});

test('messages that are not understood are told of once a minute', async () => {
  const warn = jest.fn();
  const logger = { warn, info: jest.fn(), debug: jest.fn(), error: jest.fn(), trace: jest.fn(), log: jest.fn() };
  const environment = new MockActivityEnvironment({}, { logger });
  let told = 0;
  const activities = createEventActivities(
    {
      followEvents: (listener, { signal } = {}) => {
        for (told = 0; told < 50; told += 1) listener.onNonsense('no JSON');
        return open(signal);
      },
    },
    { calls: () => Promise.resolve() },
  );
  const outcome = environment.run(() => activities.followEvents()).catch((error: unknown) => error);
  await until('all were told', () => told === 50);
  environment.cancel();
  await outcome;
  const problems = [...warn.mock.calls, ...logger.log.mock.calls].filter((call) =>
    call.includes('events.not-understood'),
  );
  expect(problems).toHaveLength(1);
});
