import {
  CancellationScope,
  condition,
  continueAsNew,
  defineQuery,
  isCancellation,
  log,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { z } from 'zod';
import type { Activities } from '../activities/activities.js';
import type { ToldSessions } from '../activities/channel-activities.js';
import type { HolderState } from '../activities/holder-watch.js';
import {
  applyQueueEvent,
  isIdle,
  newBargeQueue,
  nextExpiryMs,
  placesOf,
  positionOf,
  untoldPlaces,
} from '../domain/barge-queue.js';
import type { BargeQueue, Holder, QueueEvent, QueueNotice } from '../domain/barge-queue.js';
import {
  bargeMutexInput,
  CHANNEL_BLOCKED,
  channelBlocked,
  channelRelease,
  channelRequest,
  LOOK_AT_HOLDER,
  RELEASE_CHANNEL,
  REQUEST_CHANNEL,
} from '../domain/channel.js';
import type {
  BargeMutexInput,
  ChannelAnswer,
  ChannelRelease,
  ChannelReport,
  ChannelRequest,
} from '../domain/channel.js';
import { describeFaults } from '../domain/input-faults.js';
import { mutexWorkflowId } from '../domain/identifiers.js';
import { STATE_QUERY } from '../domain/workflow-contract.js';
import { isActivityFailure } from './activity-failures.js';
import { Alarm } from './alarm.js';
import { atOnce, stopDeadHoldersLeg, tellSessionsPatiently, watchHolder } from './channel-activities.js';
import { describeChannel } from './channel-details.js';
import { handleSignalsInOrder } from './signals-in-order.js';
import type { Inbox } from './signals-in-order.js';
import { isTaskOfItsOwn } from './task-of-its-own.js';
import { parsed, requireWorkflowId } from './workflow-input.js';

const channelQuery = defineQuery<ChannelReport>(STATE_QUERY);

/** Waiters are told that they have moved up once in that time, ms: a long queue must not slow a hand-over down. */
const MOVED_INTERVAL_MS = 1_000;

/** How often a holder for whom nobody waits is looked at, ms: a mutex must not outlive the dead for ever. */
const UNWATCHED_LOOK_MS = 3_600_000;

/** More notices than that go through the task queue, so that no release has to wait until they are told. */
const TOLD_AT_ONCE = 4;

/** What a waiter was told whom the last notice did not reach. */
const NO_POSITION = 0;

/** What a mutex hands to its successor when its history has grown long. */
interface CarriedQueue {
  readonly queue: BargeQueue;
  readonly told: readonly (readonly [requestId: string, position: number])[];
  /** What has yet to be told. */
  readonly outbox: readonly QueueNotice[];
  /** The fence of the last grant that was told. */
  readonly heard: number | undefined;
}

/**
 * The exclusive channel of one interaction, which barge and whisper share: one session at a time, first come, first served
 * (docs/decisions/0007-exclusive-channel.md). The first request starts it; it ends when nobody holds or wants the channel.
 *
 * All that it hears and says are signals. The rules are those of `domain/barge-queue.ts`; here they meet time, and other
 * workflows that die.
 *
 * @throws ApplicationFailure `invalid.request`, `mutex.id.mismatch`
 */
export async function bargeMutex(input: BargeMutexInput, carried?: CarriedQueue): Promise<void> {
  const valid = parsed(bargeMutexInput, input);
  const { interactionId } = valid;
  requireWorkflowId(
    mutexWorkflowId(interactionId),
    'mutex.id.mismatch',
    'the channel of this interaction has the workflow id',
  );
  const mutex = new BargeMutex(valid, carried);
  // Who cancels it would lose everybody's place; it ends by itself.
  return CancellationScope.nonCancellable(() => mutex.run());
}

class BargeMutex {
  readonly #input: BargeMutexInput;
  readonly #alarm = new Alarm();
  readonly #inbox: Inbox;
  /** The position that each waiter was told last. */
  readonly #told: Map<string, number>;
  #queue: BargeQueue;
  #outbox: QueueNotice[];
  #hasNews = false;
  /** Many are being told, through the task queue; the next notices wait, so that none overtakes another. */
  #announcing = false;
  /** The last grant that its session has been told: it may speak by now. */
  #heard: number | undefined;
  #movedSinceMs: number | undefined;
  #idleSinceMs = Date.now();
  #lookAtMs = Date.now() + UNWATCHED_LOOK_MS;
  #watch: { readonly holder: Holder; readonly scope: CancellationScope } | undefined;

  constructor(input: BargeMutexInput, carried: CarriedQueue | undefined) {
    this.#input = input;
    this.#queue = carried?.queue ?? newBargeQueue(workflowInfo().startTime.getTime());
    this.#told = new Map(carried?.told);
    this.#outbox = [...(carried?.outbox ?? [])];
    this.#heard = carried?.heard;
    this.#inbox = this.#handleMessages();
  }

  async run(): Promise<void> {
    for (;;) {
      this.#hasNews = false;
      this.#apply({ type: 'tick' });
      await this.#tellGrants();
      await this.#tellOthers();
      this.#watchHolder();
      void this.#lookAtHolder();
      setCurrentDetails(describeChannel(this.#input.interactionId, this.#report()));
      // Both are refused by the server, and this task done again, if a signal has arrived meanwhile: none is lost.
      if (this.#isOver()) return;
      if (this.#inbox.isHistoryLong && !this.#announcing) {
        if (!(await isTaskOfItsOwn(this.#inbox))) continue;
        await this.#continueAsNew();
      }
      this.#alarm.setFor(this.#nextDueMs());
      // Bounded by the alarm.
      await condition(() => this.#hasNews || this.#alarm.takeRing());
    }
  }

  #handleMessages(): Inbox {
    const release = this.#taking(channelRelease, (message) => this.#release(message));
    const inbox = handleSignalsInOrder([
      {
        name: REQUEST_CHANNEL,
        description: 'Sent by a session: it wants to barge or whisper.',
        handle: this.#taking(channelRequest, (request) => this.#request(request)),
        answer: this.#taking(channelRequest, (request) => this.#answer(request)),
      },
      {
        name: RELEASE_CHANNEL,
        description: 'Sent by a session: it no longer wants the channel, and its leg is silent or gone.',
        handle: release,
        // Workers of before said it by update: what is in a history has to be taken when that is replayed.
        answer: release,
      },
      {
        name: LOOK_AT_HOLDER,
        description:
          'The holder may be gone, or unable to speak: look whether its session runs, and have that look at its leg.',
        handle: () => this.#lookSoon(),
      },
      {
        name: CHANNEL_BLOCKED,
        description: 'Sent by the holder: whether the platform keeps the channel from it.',
        handle: this.#taking(channelBlocked, (blocked) => this.#apply({ type: 'blocked', ...blocked })),
      },
    ]);
    setHandler(channelQuery, () => this.#report(), { description: 'Who holds the channel, and who waits for it.' });
    return inbox;
  }

  /** A message that makes no sense must not fail the channel of everybody else. */
  #taking<Message, Answer>(
    schema: z.ZodType<Message>,
    take: (message: Message) => Answer,
  ): (given: unknown) => Answer | undefined {
    return (given) => {
      const message = schema.safeParse(given);
      if (message.success) return take(message.data);
      log.warn('channel.message-refused', {
        ...this.#logFields(),
        reason: describeFaults(message.error, 'message'),
      });
      return undefined;
    };
  }

  #request(request: ChannelRequest): void {
    // Asked again, it is told again: the answer to the first time may be lost.
    this.#told.delete(request.requestId);
    this.#apply({ type: 'requested', request });
  }

  #release(release: ChannelRelease): void {
    this.#apply({ type: 'released', ...release });
    const { holder } = this.#queue;
    // Given back by another session under the holder's id, which was told of the grant: then the holder has died.
    if (holder?.requestId === release.requestId && holder.runId !== release.runId) this.#lookSoon();
  }

  #lookSoon(): void {
    this.#lookAtMs = Date.now();
    this.#hasNews = true;
  }

  /**
   * Who asks by update has the answer at once, and need not be told. But who has asked by signal before no longer listens
   * to the update, which came too late for it.
   */
  #answer(request: ChannelRequest): ChannelAnswer {
    const { requestId } = request;
    const isKnown = placesOf(this.#queue).some((one) => one.requestId === requestId);
    if (!isKnown) this.#request(request);
    const { holder, waiting } = this.#queue;
    const index = waiting.findIndex((waiter) => waiter.requestId === requestId);
    const waiter = holder?.requestId === requestId ? holder : waiting[index];
    if (waiter === undefined) return { kind: 'over' };
    const { expiresAtMs } = waiter;
    if (!isKnown) this.#outbox = this.#outbox.filter((notice) => notice.requestId !== requestId);
    if (waiter === holder) {
      if (!isKnown) this.#heard = holder.fence;
      return { kind: 'granted', fence: holder.fence, expiresAtMs };
    }
    const position = positionOf(this.#queue, index);
    if (!isKnown) this.#told.set(requestId, position);
    this.#noteMoves();
    return { kind: 'queued', position, expiresAtMs };
  }

  #apply(event: WithoutTime<QueueEvent>): void {
    const before = this.#queue;
    const { queue, notices } = applyQueueEvent(before, { ...event, atMs: Date.now() });
    this.#queue = queue;
    this.#outbox.push(...notices);
    if (event.type !== 'tick') this.#hasNews = true;
    if (isIdle(queue) && !isIdle(before)) this.#idleSinceMs = Date.now();
    if (queue.holder?.fence !== before.holder?.fence) this.#lookAtMs = Date.now() + UNWATCHED_LOOK_MS;
    for (const requestId of this.#told.keys()) {
      if (!queue.waiting.some((waiter) => waiter.requestId === requestId)) this.#told.delete(requestId);
    }
    this.#noteMoves();
  }

  #noteMoves(): void {
    const allKnow = untoldPlaces(this.#queue, this.#told, 'all').length === 0;
    this.#movedSinceMs = allKnow ? undefined : (this.#movedSinceMs ?? Date.now());
  }

  /** Before anything else; whoever has closed meanwhile is passed over in the same task. */
  async #tellGrants(): Promise<void> {
    for (;;) {
      const { holder } = this.#queue;
      const grant = this.#outbox.find((notice) => notice.kind === 'granted' && notice.fence === holder?.fence);
      // Others are history by now: released or withdrawn before they could be told.
      this.#outbox = this.#outbox.filter(({ kind }) => kind !== 'granted');
      if (grant === undefined || holder === null) return;
      // Repeated, it is for a holder that may speak by now; whether that has died is the watcher's to say.
      const isRepeat = this.#heard === holder.fence;
      this.#heard = holder.fence;
      const { requestId } = grant;
      if (!(await this.#grantIsTold(grant)) && !isRepeat) this.#apply({ type: 'gone', requestId });
    }
  }

  /** Who is new in line, or no longer in it, hears so at once; who has moved up, within a second. */
  async #tellOthers(): Promise<void> {
    if (this.#announcing) return;
    const movedIsDue = this.#movedSinceMs !== undefined && Date.now() >= this.#movedSinceMs + MOVED_INTERVAL_MS;
    const places = untoldPlaces(this.#queue, this.#told, movedIsDue ? 'all' : 'new');
    const notices = [...this.#outbox, ...places];
    if (notices.length === 0) return;
    this.#outbox = [];
    for (const { requestId, position } of places) this.#told.set(requestId, position);
    this.#noteMoves();
    const left = notices.length > TOLD_AT_ONCE ? notices : await this.#untoldAtOnce(notices);
    if (left.length > 0) void this.#announce(left);
  }

  async #untoldAtOnce(notices: readonly QueueNotice[]): Promise<readonly QueueNotice[]> {
    const { gone, untold } = await tell(notices, atOnce.tellSessions);
    this.#passOver(gone);
    return notices.filter(({ requestId }) => untold.includes(requestId));
  }

  /** Through the task queue, while the loop goes on: whoever cannot be told must not keep the channel from others. */
  async #announce(notices: readonly QueueNotice[]): Promise<void> {
    this.#announcing = true;
    const { gone, untold } = await tell(notices, tellSessionsPatiently);
    if (untold.length > 0) log.warn('channel.notices-lost', { ...this.#logFields(), notices: untold.length });
    // Told once more with those who move up.
    for (const requestId of untold) if (this.#told.has(requestId)) this.#told.set(requestId, NO_POSITION);
    this.#announcing = false;
    this.#hasNews = true;
    this.#passOver(gone);
    this.#noteMoves();
  }

  /** Whether the session can have its grant: it still runs, and could be told within some seconds. */
  async #grantIsTold(grant: QueueNotice): Promise<boolean> {
    const first = await tell([grant], atOnce.tellSessions);
    const { gone, untold } = first.untold.length === 0 ? first : await tell([grant], tellSessionsPatiently);
    return gone.length === 0 && untold.length === 0;
  }

  /** Those in line; who has the channel by now is told so, or watched. */
  #passOver(requestIds: readonly string[]): void {
    for (const requestId of requestIds) {
      if (requestId !== this.#queue.holder?.requestId) this.#apply({ type: 'gone', requestId });
    }
  }

  /** A holder is watched as long as somebody waits for it. */
  #watchHolder(): void {
    const holder = this.#queue.waiting.length > 0 ? this.#queue.holder : null;
    const watched = this.#watch?.holder;
    if (watched?.fence === holder?.fence && watched?.currentRunId === holder?.currentRunId) return;
    this.#watch?.scope.cancel();
    this.#watch = undefined;
    if (holder === null) return;
    const scope = new CancellationScope();
    this.#watch = { holder, scope };
    void scope.run(() => this.#follow(holder));
  }

  async #follow(holder: Holder): Promise<void> {
    try {
      await this.#heed(holder, await watchHolder(holder));
    } catch (error) {
      if (isCancellation(error) || this.#watch?.holder !== holder) return;
      log.warn('channel.watcher-failed', { ...this.#logFields(), sessionId: holder.sessionId });
      // The loop sets another one to watch.
      this.#watch = undefined;
      this.#hasNews = true;
    }
  }

  /** While the loop goes on: who comes meanwhile must not wait until a dead holder's leg is stopped. */
  async #lookAtHolder(): Promise<void> {
    const { holder } = this.#queue;
    if (holder === null || Date.now() < this.#lookAtMs) return;
    this.#lookAtMs = Date.now() + UNWATCHED_LOOK_MS;
    try {
      await this.#heed(holder, await atOnce.lookAtHolder(holder));
    } catch (error) {
      if (!isActivityFailure(error)) throw error;
    }
  }

  /** A dead holder's leg may still speak: it is stopped before the next one is let through. */
  async #heed(holder: Holder, state: HolderState): Promise<void> {
    const { requestId, sessionId, monitorSessionId } = holder;
    switch (state.kind) {
      case 'running':
        return;
      case 'continued':
        return this.#apply({ type: 'continued', requestId, currentRunId: state.currentRunId });
      case 'closed':
        log.warn('channel.holder-died', { ...this.#logFields(), sessionId });
        try {
          await stopDeadHoldersLeg({ interactionId: this.#input.interactionId, monitorSessionId });
        } catch (error) {
          if (!isActivityFailure(error)) throw error;
          log.warn('channel.leg-not-stopped', { ...this.#logFields(), sessionId, monitorSessionId });
        }
        return this.#apply({ type: 'gone', requestId });
    }
  }

  #isOver(): boolean {
    return isIdle(this.#queue) && this.#hasToldAll && Date.now() >= this.#idleSinceMs + this.#input.idleMs;
  }

  get #hasToldAll(): boolean {
    return !this.#hasNews && !this.#announcing && this.#outbox.length === 0;
  }

  async #continueAsNew(): Promise<void> {
    const carried = { queue: this.#queue, told: [...this.#told], outbox: this.#outbox, heard: this.#heard };
    await continueAsNew<typeof bargeMutex>(this.#input, carried);
  }

  /** When something has to be done although nobody has said anything, ms since the epoch. */
  #nextDueMs(): number {
    const due = [isIdle(this.#queue) ? this.#idleSinceMs + this.#input.idleMs : this.#lookAtMs];
    const expiryMs = nextExpiryMs(this.#queue);
    if (expiryMs !== undefined) due.push(expiryMs);
    if (this.#movedSinceMs !== undefined && !this.#announcing) due.push(this.#movedSinceMs + MOVED_INTERVAL_MS);
    return Math.min(...due);
  }

  #report(): ChannelReport {
    const { holder, waiting } = this.#queue;
    return {
      holder: holder && {
        sessionId: holder.sessionId,
        requestId: holder.requestId,
        fence: holder.fence,
        blocked: holder.blocked,
      },
      waiting: waiting.map(({ sessionId, requestId, expiresAtMs }, index) => ({
        sessionId,
        requestId,
        position: positionOf(this.#queue, index),
        expiresAt: new Date(expiresAtMs).toISOString(),
      })),
    };
  }

  #logFields(): Record<string, unknown> {
    return { interactionId: this.#input.interactionId };
  }
}

/** Tells as many as can be told; nobody, if the activity fails as a whole. */
async function tell(notices: readonly QueueNotice[], carry: Activities['tellSessions']): Promise<ToldSessions> {
  try {
    return await carry(notices);
  } catch (error) {
    if (!isActivityFailure(error)) throw error;
    return { gone: [], untold: notices.map(({ requestId }) => requestId) };
  }
}

type WithoutTime<Event> = Event extends unknown ? Omit<Event, 'atMs'> : never;
