import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  applyQueueEvent,
  isIdle,
  newBargeQueue,
  nextExpiryMs,
  positionOf,
  untoldPlaces,
} from '../../domain/barge-queue.js';
import type { BargeQueue, QueueEvent, QueueNotice } from '../../domain/barge-queue.js';
import type { ChannelRequest } from '../../domain/channel.js';

const WAIT_MS = 30_000;

function request(requestId: string, sessionId = `session-of-${requestId}`, askedAtMs = 0): ChannelRequest {
  return {
    requestId,
    sessionId,
    runId: `${sessionId}-run`,
    currentRunId: `${sessionId}-run`,
    monitorSessionId: `ms-${sessionId}`,
    askedAtMs,
    waitMs: WAIT_MS,
  };
}

/** A line and all that it has said. */
function after(...events: readonly QueueEvent[]): { queue: BargeQueue; notices: QueueNotice[] } {
  let queue = newBargeQueue(1_000);
  const notices: QueueNotice[] = [];
  for (const event of events) {
    const step = applyQueueEvent(queue, event);
    queue = step.queue;
    notices.push(...step.notices);
  }
  return { queue, notices };
}

const asked = (requestId: string, atMs = 0, sessionId?: string): QueueEvent => ({
  type: 'requested',
  atMs,
  request: request(requestId, sessionId),
});
const released = (requestId: string, atMs = 0, fence?: number, runId = `session-of-${requestId}-run`): QueueEvent => ({
  type: 'released',
  atMs,
  requestId,
  runId,
  ...(fence === undefined ? {} : { fence }),
});
const tick = (atMs: number): QueueEvent => ({ type: 'tick', atMs });

/** Requests of a few sessions, each of which asks again and again; late, repeated and unknown messages among them. */
const anyEvent: fc.Arbitrary<QueueEvent> = fc
  .tuple(
    fc.constantFrom('requested', 'released', 'gone', 'blocked', 'continued', 'tick'),
    fc.constantFrom('anna', 'ben', 'cora', 'dora', 'emil'),
    fc.nat({ max: 3 }),
    fc.nat({ max: 2_000 }),
    fc.nat({ max: 15_000 }),
  )
  .map(([type, session, turn, fence, delayMs]): QueueEvent => {
    const requestId = `${session}-${turn}`;
    const atMs = delayMs;
    switch (type) {
      case 'requested':
        return { type, atMs, request: request(requestId, session) };
      case 'released':
        return {
          type,
          atMs,
          requestId,
          runId: fence % 5 === 0 ? 'another-run' : `${session}-run`,
          ...(fence < 1_000 ? {} : { fence }),
        };
      case 'gone':
        return { type, atMs, requestId };
      case 'blocked':
        return { type, atMs, requestId, fence, blocked: fence % 2 === 0 };
      case 'continued':
        return { type, atMs, requestId, currentRunId: `${session}-later` };
      default:
        return { type: 'tick', atMs };
    }
  });

describe('whatever is said in whatever order', () => {
  /** Runs a story with time passing, and checks each step. */
  function everyStep(
    check: (before: BargeQueue, event: QueueEvent, after: BargeQueue, notices: readonly QueueNotice[]) => void,
  ) {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 60 }), (story) => {
        let queue = newBargeQueue(1_000);
        let nowMs = 0;
        for (const told of story) {
          nowMs += told.atMs;
          const event = { ...told, atMs: nowMs };
          const step = applyQueueEvent(queue, event);
          check(queue, event, step.queue, step.notices);
          queue = step.queue;
        }
      }),
      { numRuns: 1_000 },
    );
  }

  test('nobody waits while the channel is free', () => {
    everyStep((_, __, { holder, waiting }) => {
      if (holder === null) expect(waiting).toEqual([]);
    });
  });

  test('a session has one place, and a request that is over has none', () => {
    everyStep((_, __, { holder, waiting, settled }) => {
      const inPlay = [...(holder === null ? [] : [holder]), ...waiting];
      expect(new Set(inPlay.map(({ sessionId }) => sessionId)).size).toBe(inPlay.length);
      for (const { requestId } of settled) expect(inPlay.map((one) => one.requestId)).not.toContain(requestId);
    });
  });

  test('the order in line is that of acceptance: it changes only by leaving', () => {
    everyStep((before, _, { waiting }) => {
      const order = before.waiting.map(({ sessionId }) => sessionId);
      const stayed = waiting.map(({ sessionId }) => sessionId).filter((id) => order.includes(id));
      expect(stayed).toEqual(order.filter((id) => stayed.includes(id)));
      // Who is new is behind everybody else.
      expect(waiting.map(({ sessionId }) => order.includes(sessionId)).lastIndexOf(true)).toBe(stayed.length - 1);
    });
  });

  test('the channel goes to the first in line, with a higher fence each time, and it hears so', () => {
    everyStep((before, event, now, notices) => {
      const { holder } = now;
      const changed = holder !== null && holder.fence !== before.holder?.fence;
      if (changed) {
        expect(holder.fence).toBeGreaterThan(before.fence);
        expect(notices).toContainEqual({
          kind: 'granted',
          sessionId: holder.sessionId,
          requestId: holder.requestId,
          fence: holder.fence,
          expiresAtMs: holder.expiresAtMs,
        });
      }
      if (changed && holder.sessionId !== before.holder?.sessionId) {
        const ahead = before.waiting.findIndex(({ sessionId }) => sessionId === holder.sessionId);
        // Whoever was before it in line has left: its time was over, or that is what has just been said.
        for (const { sessionId, requestId, expiresAtMs } of before.waiting.slice(0, Math.max(ahead, 0))) {
          expect(now.waiting.some((waiter) => waiter.sessionId === sessionId)).toBe(false);
          const left = (event.type === 'released' || event.type === 'gone') && event.requestId === requestId;
          expect(left || expiresAtMs <= event.atMs).toBe(true);
        }
        expect(holder.expiresAtMs).toBeGreaterThan(event.atMs);
      }
      expect(now.fence).toBeGreaterThanOrEqual(before.fence);
    });
  });

  test('who holds the channel loses it only by its own word, or by being gone', () => {
    everyStep((before, event, { holder }) => {
      if (before.holder === null || holder?.requestId === before.holder.requestId) return;
      const own =
        (event.type === 'released' &&
          event.requestId === before.holder.requestId &&
          event.runId === before.holder.runId) ||
        (event.type === 'gone' && event.requestId === before.holder.requestId) ||
        (event.type === 'requested' && event.request.sessionId === before.holder.sessionId);
      expect(own).toBe(true);
    });
  });

  test('everybody who has waited for their time hears so, once', () => {
    everyStep((before, event, { waiting, settled }, notices) => {
      const expired = notices.filter(({ kind }) => kind === 'expired').map(({ requestId }) => requestId);
      expect(new Set(expired).size).toBe(expired.length);
      for (const requestId of expired) expect(settled.some((over) => over.requestId === requestId)).toBe(true);
      if (event.type === 'tick') {
        const late = before.waiting.filter(({ expiresAtMs }) => expiresAtMs <= event.atMs);
        expect(expired).toEqual(late.map(({ requestId }) => requestId));
        expect(waiting.every(({ expiresAtMs }) => expiresAtMs > event.atMs)).toBe(true);
      }
    });
  });

  test('the same message twice changes nothing more', () => {
    everyStep((_, event, now) => {
      const again = applyQueueEvent(now, event);
      expect(lineOf(again.queue)).toEqual(lineOf(now));
      expect(again.queue.fence).toBe(now.fence);
    });
  });
});

function lineOf({ holder, waiting }: BargeQueue) {
  return { holder, waiting };
}

test('first come, first served', () => {
  const line = ['a', 'b', 'c'].map((id, index) => asked(id, index));
  const { notices } = after(...line, released('a', 10), released('b', 11), released('c', 12));
  expect(notices.map(({ kind, requestId }) => `${kind} ${requestId}`)).toEqual(['granted a', 'granted b', 'granted c']);
});

test('a hundred may wait', () => {
  const { queue } = after(...Array.from({ length: 101 }, (_, n) => asked(`r${n}`)));
  expect(queue.waiting).toHaveLength(100);
  expect(queue.waiting.map((_, index) => positionOf(queue, index)).at(-1)).toBe(100);
});

test('a request is over once it was released, expired or gone, however late it is repeated', () => {
  const { queue, notices } = after(
    asked('a'),
    asked('b'),
    asked('c'),
    released('b', 1),
    { type: 'gone', requestId: 'c', atMs: 2 },
    asked('d', 3),
    tick(3 + WAIT_MS),
    released('a', 4 + WAIT_MS),
    ...['a', 'b', 'c', 'd'].map((id) => asked(id, 5 + WAIT_MS)),
  );
  expect(isIdle(queue)).toBe(true);
  expect(notices.map(({ kind, requestId }) => `${kind} ${requestId}`)).toEqual(['granted a', 'expired d']);
});

test('a release that overtakes its request wins', () => {
  expect(isIdle(after(released('a'), asked('a', 1)).queue)).toBe(true);
});

test('a release with the fence of an earlier grant frees nobody’s channel', () => {
  const { queue } = after(asked('a'));
  const stale = applyQueueEvent(queue, released('a', 1, queue.fence - 1));
  expect(stale.queue.holder?.requestId).toBe('a');
  expect(applyQueueEvent(queue, released('a', 1, queue.fence)).queue.holder).toBeNull();
});

test('a session that asks again keeps its place and its time, and as a holder the channel', () => {
  const { queue } = after(asked('a'), asked('b', 1), asked('c', 2), asked('b2', 3, 'session-of-b'));
  expect(queue.waiting.map(({ requestId, expiresAtMs }) => [requestId, expiresAtMs])).toEqual([
    ['b2', 1 + WAIT_MS],
    ['c', 2 + WAIT_MS],
  ]);
  const again = applyQueueEvent(queue, asked('a2', 4, 'session-of-a'));
  expect(again.queue.holder).toMatchObject({ requestId: 'a2', fence: queue.fence + 1, expiresAtMs: 4 + WAIT_MS });
  // What the run before it says late is stale.
  expect(applyQueueEvent(again.queue, released('a', 5)).queue.holder?.requestId).toBe('a2');
});

test('a request that its session has replaced is over for good', () => {
  const { queue } = after(
    asked('a'),
    asked('b', 1),
    asked('a2', 2, 'session-of-a'),
    asked('b2', 3, 'session-of-b'),
    released('a2', 4, undefined, 'session-of-a-run'),
    released('b2', 5, undefined, 'session-of-b-run'),
    asked('a', 6),
    asked('b', 7),
  );
  expect(isIdle(queue)).toBe(true);
});

test('a holder that is blocked and asks again is no longer blocked, and who asks twice is told twice', () => {
  const { queue } = after(asked('a'), asked('b', 1));
  const { fence } = queue;
  const blocked = applyQueueEvent(queue, { type: 'blocked', requestId: 'a', fence, blocked: true, atMs: 2 }).queue;
  expect(applyQueueEvent(blocked, asked('a2', 3, 'session-of-a')).queue.holder?.blocked).toBe(false);
  const repeated = applyQueueEvent(blocked, asked('a', 3));
  expect(repeated.queue).toEqual(blocked);
  expect(repeated.notices).toMatchObject([{ kind: 'granted', requestId: 'a', fence }]);
});

test('a request that its session made before the one that is in play is a late repeat', () => {
  const late = (requestId: string, sessionId: string): QueueEvent => ({
    type: 'requested',
    atMs: 9,
    request: request(requestId, sessionId, 1),
  });
  const newer = (requestId: string, sessionId: string): QueueEvent => ({
    type: 'requested',
    atMs: 3,
    request: request(requestId, sessionId, 2),
  });
  const { queue } = after(newer('a', 'anna'), newer('b', 'ben'), late('a0', 'anna'), late('b0', 'ben'));
  expect(queue.holder?.requestId).toBe('a');
  expect(queue.waiting.map(({ requestId }) => requestId)).toEqual(['b']);
  const aOver = applyQueueEvent(queue, released('a', 10, undefined, 'anna-run')).queue;
  const over = applyQueueEvent(aOver, released('b', 11, undefined, 'ben-run')).queue;
  expect(isIdle(over)).toBe(true);
  // It stays over, also when those in play are.
  for (const [id, session] of [
    ['a0', 'anna'],
    ['b0', 'ben'],
  ] as const) {
    expect(isIdle(applyQueueEvent(over, late(id, session)).queue)).toBe(true);
  }
});

test('another session under the same id is another session', () => {
  const other: QueueEvent = { type: 'requested', atMs: 1, request: { ...request('b', 's'), runId: 'another-chain' } };
  const { queue } = after(asked('a', 0, 's'), other);
  expect(queue.holder?.requestId).toBe('a');
  expect(queue.waiting.map(({ requestId }) => requestId)).toEqual(['b']);
});

test('nobody can give back or withdraw for an earlier session under the same id', () => {
  const { queue } = after(asked('a'), asked('b'));
  const late = ['a', 'b'].reduce((line, id) => applyQueueEvent(line, released(id, 1, undefined, 'later')).queue, queue);
  expect(late).toEqual(queue);
});

test('a holder that goes on in another run is told of its grant again', () => {
  const { queue } = after(asked('a'), asked('b'));
  const step = applyQueueEvent(queue, { type: 'continued', requestId: 'a', currentRunId: 'later', atMs: 1 });
  expect(step.notices).toMatchObject([{ kind: 'granted', requestId: 'a', fence: queue.fence }]);
  expect(step.queue.holder?.currentRunId).toBe('later');
});

test('positions count from the next one on, and a blocked holder is the next one itself', () => {
  const { queue } = after(asked('a'), asked('b'), asked('c'));
  const places = (line: BargeQueue): number[] => line.waiting.map((_, index) => positionOf(line, index));
  expect(places(queue)).toEqual([1, 2]);
  const blocked = applyQueueEvent(queue, {
    type: 'blocked',
    requestId: 'a',
    fence: queue.fence,
    blocked: true,
    atMs: 1,
  });
  expect(places(blocked.queue)).toEqual([2, 3]);
  // Of an earlier grant: nobody cares.
  const stale = applyQueueEvent(queue, { type: 'blocked', requestId: 'a', fence: 1, blocked: true, atMs: 1 });
  expect(places(stale.queue)).toEqual([1, 2]);
});

test('who is told what: the new ones at once, the moved ones when it is their time', () => {
  const { queue } = after(asked('a'), asked('b'), asked('c'));
  const told = new Map([['b', 2]]);
  const ids = (which: 'all' | 'new'): string[] =>
    untoldPlaces(queue, told, which).map(({ requestId, position }) => `${requestId} ${position}`);
  expect(ids('new')).toEqual(['c 2']);
  expect(ids('all')).toEqual(['b 1', 'c 2']);
  expect(
    untoldPlaces(
      queue,
      new Map([
        ['b', 1],
        ['c', 2],
      ]),
      'all',
    ),
  ).toEqual([]);
});

test('fences rise from one life of a mutex to the next', () => {
  const first = applyQueueEvent(newBargeQueue(1_000), asked('a')).queue;
  const next = applyQueueEvent(newBargeQueue(2_000), asked('b')).queue;
  expect(next.holder?.fence).toBeGreaterThan(first.holder?.fence ?? Infinity);
});

test('what is remembered of the past has an end', () => {
  let { queue } = after();
  for (let n = 0; n < 3_000; n += 1) queue = applyQueueEvent(queue, released(`r${n}`, 1)).queue;
  expect(queue.settled).toHaveLength(1_000);
  queue = applyQueueEvent(queue, released('much later', 10 * 60_000)).queue;
  expect(queue.settled.map(({ requestId }) => requestId)).toEqual(['much later']);
});

test('the next expiry is that of whoever waits for the shortest', () => {
  expect(nextExpiryMs(after().queue)).toBeUndefined();
  expect(nextExpiryMs(after(asked('a'), asked('b', 7), asked('c', 9)).queue)).toBe(7 + WAIT_MS);
  // The setting may have been lowered since the others asked.
  const short: QueueEvent = { type: 'requested', atMs: 9, request: { ...request('d'), waitMs: 5 } };
  expect(nextExpiryMs(after(asked('a'), asked('b', 7), short).queue)).toBe(14);
});

test('a wait is over at its very end, and then nobody is let through', () => {
  const inLine = [asked('holder'), asked('waiter', 5)];
  expect(after(...inLine, tick(WAIT_MS + 4)).queue.waiting).toHaveLength(1);
  expect(after(...inLine, tick(WAIT_MS + 5)).queue.waiting).toHaveLength(0);
  expect(after(...inLine, released('holder', WAIT_MS + 5)).queue.holder).toBeNull();
});
