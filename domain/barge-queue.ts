import type {
  ChannelBlocked,
  ChannelExpired,
  ChannelGranted,
  ChannelQueued,
  ChannelRelease,
  ChannelRequest,
} from './channel.js';

/**
 * The line for the one exclusive channel of an interaction, as pure data. {@link applyQueueEvent} is the only way to a new
 * one; the workflow `bargeMutex` brings it the events and carries its notices to the sessions.
 *
 * - First come, first served, by the order of the events.
 * - At most one holder; a grant is given the moment the channel is free.
 * - One place for each session: who asks again (after a reset) keeps it, and whom they asked before does not count.
 * - A request that is over stays over, however late or often it is repeated.
 * - Only the session that asked can give back or withdraw: another one under the same id does not know its leg.
 */
export interface BargeQueue {
  readonly holder: Holder | null;
  /** First in line first. */
  readonly waiting: readonly Waiter[];
  /** The last one that was given. */
  readonly fence: number;
  /** Requests that are over, oldest first. */
  readonly settled: readonly { readonly requestId: string; readonly atMs: number }[];
}

export interface Waiter extends ChannelRequest {
  /** When its wait is over, ms since the epoch. */
  readonly expiresAtMs: number;
}

export interface Holder extends Waiter {
  readonly fence: number;
  /** The platform keeps the channel from it: a leg that is not in this line speaks. */
  readonly blocked: boolean;
}

export type QueueEvent = { readonly atMs: number } & (
  | { readonly type: 'requested'; readonly request: ChannelRequest }
  | ({ readonly type: 'released' } & ChannelRelease)
  | ({ readonly type: 'blocked' } & ChannelBlocked)
  /** The session is over, and its leg is stopped or was never granted the channel. */
  | { readonly type: 'gone'; readonly requestId: string }
  /** The holder's session goes on in another run, which may not know of the grant. */
  | { readonly type: 'continued'; readonly requestId: string; readonly currentRunId: string }
  /** Time has passed. */
  | { readonly type: 'tick' }
);

/** A message to a session. */
export type QueueNotice = { readonly sessionId: string } & (
  | ({ readonly kind: 'granted' } & ChannelGranted)
  | ({ readonly kind: 'queued' } & ChannelQueued)
  | ({ readonly kind: 'expired' } & ChannelExpired)
);

export interface QueueStep {
  readonly queue: BargeQueue;
  /** What cannot be told from the new line itself; places can, see {@link untoldPlaces}. */
  readonly notices: readonly QueueNotice[];
}

/**
 * How long a request is remembered after it is over, ms: longer than a repeat can be under way. One that is later yet is
 * granted to a session that gives it back at once.
 */
const SETTLED_KEPT_MS = 5 * 60_000;
const SETTLED_KEPT = 1_000;

/** An empty line. Fences rise from `nowMs` on, so that they also rise from one life of a mutex to the next. */
export function newBargeQueue(nowMs: number): BargeQueue {
  return { holder: null, waiting: [], fence: nowMs, settled: [] };
}

/** The line after an event, and what its sessions have to hear of it. */
export function applyQueueEvent(queue: BargeQueue, event: QueueEvent): QueueStep {
  const { atMs } = event;
  switch (event.type) {
    case 'requested':
      return requested(queue, event.request, atMs);
    case 'released': {
      const { requestId, runId, fence } = event;
      const place = placesOf(queue).find((one) => one.requestId === requestId);
      const isStale = queue.holder?.requestId === requestId && fence !== undefined && fence < queue.holder.fence;
      const isAnothers = place !== undefined && place.runId !== runId;
      return isStale || isAnothers ? { queue, notices: [] } : withdrawn(queue, requestId, atMs);
    }
    case 'gone':
      return withdrawn(queue, event.requestId, atMs);
    case 'blocked': {
      const { holder } = queue;
      if (holder?.requestId !== event.requestId || holder.fence !== event.fence) return { queue, notices: [] };
      return { queue: { ...queue, holder: { ...holder, blocked: event.blocked } }, notices: [] };
    }
    case 'continued': {
      const { holder } = queue;
      if (holder?.requestId !== event.requestId) return { queue, notices: [] };
      const again = { ...holder, currentRunId: event.currentRunId };
      return { queue: { ...queue, holder: again }, notices: [granted(again)] };
    }
    case 'tick':
      return afterExpiry(queue, atMs);
  }
}

/** A waiter's place: 1 = next. Behind a holder that the platform blocks, who is next is the holder. */
export function positionOf(queue: BargeQueue, index: number): number {
  return index + (queue.holder?.blocked === true ? 2 : 1);
}

/** Who has the channel, if anybody, and who waits for it, in this order. */
export function placesOf({ holder, waiting }: BargeQueue): readonly Waiter[] {
  return holder === null ? waiting : [holder, ...waiting];
}

/** Neither held nor wanted. */
export function isIdle({ holder, waiting }: BargeQueue): boolean {
  return holder === null && waiting.length === 0;
}

/** When the next wait is over, ms since the epoch. */
export function nextExpiryMs({ waiting }: BargeQueue): number | undefined {
  return waiting.length === 0 ? undefined : Math.min(...waiting.map(({ expiresAtMs }) => expiresAtMs));
}

/**
 * The places that waiters do not know: all of them, or only those of waiters who know of none yet.
 * @param told the place that each request was told last
 */
export function untoldPlaces(
  queue: BargeQueue,
  told: ReadonlyMap<string, number>,
  which: 'all' | 'new',
): (QueueNotice & { kind: 'queued' })[] {
  return queue.waiting.flatMap(({ sessionId, requestId, expiresAtMs }, index) => {
    const position = positionOf(queue, index);
    const known = told.get(requestId);
    if (known === position || (known !== undefined && which === 'new')) return [];
    return [{ kind: 'queued' as const, sessionId, requestId, position, expiresAtMs }];
  });
}

function requested(queue: BargeQueue, request: ChannelRequest, atMs: number): QueueStep {
  const { requestId, waitMs } = request;
  if (queue.settled.some((over) => over.requestId === requestId)) return { queue, notices: [] };

  const { holder } = queue;
  if (holder !== null && sameSession(holder, request)) {
    if (holder.requestId === requestId) return { queue, notices: [granted(holder)] };
    if (request.askedAtMs < holder.askedAtMs) return { queue: settle(queue, requestId, atMs), notices: [] };
    const fence = queue.fence + 1;
    const again = { ...request, expiresAtMs: atMs + waitMs, fence, blocked: false };
    return {
      queue: { ...settle(queue, holder.requestId, atMs), holder: again, fence },
      notices: [granted(again)],
    };
  }

  const index = queue.waiting.findIndex((waiter) => sameSession(waiter, request));
  const known = queue.waiting[index];
  if (known !== undefined) {
    if (request.askedAtMs < known.askedAtMs) return { queue: settle(queue, requestId, atMs), notices: [] };
    const again = { ...request, expiresAtMs: known.expiresAtMs };
    const before = known.requestId === requestId ? queue : settle(queue, known.requestId, atMs);
    return { queue: { ...before, waiting: queue.waiting.toSpliced(index, 1, again) }, notices: [] };
  }

  const waiter = { ...request, expiresAtMs: atMs + waitMs };
  return afterExpiry({ ...queue, waiting: [...queue.waiting, waiter] }, atMs);
}

/** A request is over, wherever it stood. One that was never heard of is over as well, should it come late. */
function withdrawn(queue: BargeQueue, requestId: string, atMs: number): QueueStep {
  return afterExpiry(
    {
      ...settle(queue, requestId, atMs),
      holder: queue.holder?.requestId === requestId ? null : queue.holder,
      waiting: queue.waiting.filter((waiter) => waiter.requestId !== requestId),
    },
    atMs,
  );
}

/** Drops the waits whose time is over, and gives a free channel to the first of the others. */
function afterExpiry(queue: BargeQueue, atMs: number): QueueStep {
  const expired = queue.waiting.filter(({ expiresAtMs }) => expiresAtMs <= atMs);
  const notices: QueueNotice[] = expired.map(({ sessionId, requestId }) => ({ kind: 'expired', sessionId, requestId }));
  const left = expired.reduce((before, { requestId }) => settle(before, requestId, atMs), {
    ...queue,
    waiting: expired.length === 0 ? queue.waiting : queue.waiting.filter((waiter) => !expired.includes(waiter)),
  });

  const [next, ...behind] = left.waiting;
  if (left.holder !== null || next === undefined) return { queue: left, notices };
  const fence = left.fence + 1;
  const holder = { ...next, fence, blocked: false };
  return { queue: { ...left, holder, waiting: behind, fence }, notices: [granted(holder), ...notices] };
}

function settle<Queue extends BargeQueue>(queue: Queue, requestId: string, atMs: number): Queue {
  const kept = queue.settled.filter((over) => over.requestId !== requestId && over.atMs > atMs - SETTLED_KEPT_MS);
  return { ...queue, settled: [...kept, { requestId, atMs }].slice(-SETTLED_KEPT) };
}

function sameSession(one: ChannelRequest, other: ChannelRequest): boolean {
  return one.sessionId === other.sessionId && one.runId === other.runId;
}

function granted({ sessionId, requestId, fence, expiresAtMs }: Holder): QueueNotice {
  return { kind: 'granted', sessionId, requestId, fence, expiresAtMs };
}
