import { CancellationScope, condition, isCancellation, log, uuid4, workflowInfo } from '@temporalio/workflow';
import type { z } from 'zod';
import {
  CHANNEL_EXPIRED,
  CHANNEL_GRANTED,
  CHANNEL_QUEUED,
  channelExpired,
  channelGranted,
  channelQueued,
} from '../domain/channel.js';
import type {
  ChannelAnswer,
  ChannelExpired,
  ChannelGranted,
  ChannelQueued,
  ChannelRelease,
  ChannelRequest,
} from '../domain/channel.js';
import { isActivityFailure } from './activity-failures.js';
import { atOnce, releaseChannelPatiently, requestChannelWithin } from './channel-activities.js';
import type { HandledSignal } from './signals-in-order.js';

/** How much longer than its time a session waits to be told that it is over, ms: the mutex may have been terminated. */
const GRACE_MS = 2_000;

/** How long a session that ends goes on telling the mutex, ms; after that the watcher finds out. */
const LAST_WORD_MS = 30_000;

/** A session's turn on the exclusive channel, from its request until it gives the channel back. */
export interface Turn {
  readonly requestId: string;
  /** Once granted. */
  readonly fence?: number;
  /** In line, once told; 1 = next. */
  readonly position?: number;
  /** Until then the session may wait to speak, ms since the epoch; `undefined` once that wait is over. */
  readonly expiresAtMs: number | undefined;
  readonly isExpired?: boolean;
  /** The platform lets another leg speak, and the mutex knows. */
  readonly isBlocked?: boolean;
}

/**
 * A session's side of the exclusive channel: what it has asked of the mutex and what it was told. It does not touch the
 * leg; who calls {@link release} has the platform's word that the leg does not speak.
 */
export class ExclusiveChannel {
  readonly #interactionId: string;
  #turn: Turn | undefined;
  #strays: ChannelGranted[] = [];
  #hasNews = false;
  /** Requests and releases that are on their way through the task queue. */
  #underWay = 0;

  constructor(interactionId: string, turn: Turn | undefined) {
    this.#interactionId = interactionId;
    this.#turn = turn;
  }

  /** To be carried across continue-as-new. */
  get turn(): Turn | undefined {
    return this.#turn;
  }

  /** In line, or granted. */
  get isWanted(): boolean {
    return this.#turn !== undefined;
  }

  /**
   * Granted to this session, which does not know why: it was reset, or gave up, or is another one under the same id. Kept
   * until it is given back, or the mutex has taken another request of this session in its place.
   */
  get hasStrayGrant(): boolean {
    return this.#strays.length > 0;
  }

  get fence(): number | undefined {
    return this.#turn?.fence;
  }

  /** The mutex has said that the time is over. */
  get isExpired(): boolean {
    return this.#turn?.isExpired === true;
  }

  /** The place in line, once told. */
  get place(): { readonly position: number; readonly expiresAtMs: number } | undefined {
    const { position, expiresAtMs } = this.#turn ?? {};
    return position === undefined || expiresAtMs === undefined ? undefined : { position, expiresAtMs };
  }

  /**
   * By when a command that had to wait has to be carried out, ms since the epoch; `undefined` for one that got the channel
   * at once, and for its holder.
   */
  get waitEndsMs(): number | undefined {
    const { position, isBlocked = false, expiresAtMs } = this.#turn ?? {};
    return position === undefined && !isBlocked ? undefined : expiresAtMs;
  }

  /** Whether the mutex has still to hear of a request or a release. */
  get isSending(): boolean {
    return this.#underWay > 0;
  }

  get hasNews(): boolean {
    return this.#hasNews;
  }

  /** Whether the mutex has said anything since this was last asked. */
  takeNews(): boolean {
    const hadNews = this.#hasNews;
    this.#hasNews = false;
    return hadNews;
  }

  /** When to stop waiting for word of the mutex, ms since the epoch; later than it would ever be, unless it was terminated. */
  get hearsUntilMs(): number {
    return (this.#turn?.expiresAtMs ?? Date.now()) + GRACE_MS;
  }

  /**
   * Until when the platform may keep the granted channel from this session, ms since the epoch: to the end of the wait
   * in line or, where that is over because the session has spoken since, for another `waitMs`.
   */
  blockedUntilMs(waitMs: number): number {
    const untilMs = this.#turn?.expiresAtMs ?? Date.now() + waitMs;
    if (this.#turn !== undefined) this.#turn = { ...this.#turn, expiresAtMs: untilMs };
    return untilMs;
  }

  /** Gets in line. */
  async request(monitorSessionId: string, waitMs: number): Promise<void> {
    const { workflowId: sessionId, runId: currentRunId, firstExecutionRunId: runId } = workflowInfo();
    const requestId = uuid4();
    this.#turn = { requestId, expiresAtMs: Date.now() + waitMs };
    const request = { requestId, sessionId, runId, currentRunId, monitorSessionId, askedAtMs: Date.now(), waitMs };
    try {
      this.#answered(requestId, await atOnce.requestChannel(this.#interactionId, request));
    } catch (error) {
      if (isCancellation(error)) throw error;
      void this.#askPatiently(request);
    }
  }

  /** Nobody waits for this: whatever comes of it is news. */
  async #askPatiently(request: ChannelRequest): Promise<void> {
    this.#underWay += 1;
    try {
      this.#answered(request.requestId, await requestChannelWithin(request.waitMs)(this.#interactionId, request));
    } catch (error) {
      if (!isActivityFailure(error) && !isCancellation(error)) throw error;
      log.warn('channel.request-lost', { interactionId: this.#interactionId, requestId: request.requestId });
    } finally {
      this.#underWay -= 1;
    }
  }

  #answered(requestId: string, answer: ChannelAnswer | null): void {
    switch (answer?.kind) {
      case 'granted':
        return this.#granted({ requestId, ...answer });
      case 'queued':
        return this.#queued({ requestId, ...answer });
      case 'over':
        return this.#over(requestId);
      case undefined: // The mutex says so by signal.
    }
  }

  /**
   * Leaves the line, or gives back the channel and every stray grant. (One that was meant for an earlier session under
   * this id is thereby told to be of a session that is over.) Where the mutex cannot be told at once, that goes on
   * by itself.
   */
  async release(): Promise<void> {
    const turns = [...this.#strays, ...(this.#turn === undefined ? [] : [this.#turn])];
    this.#strays = [];
    this.#turn = undefined;
    const { firstExecutionRunId: runId } = workflowInfo();
    for (const { requestId, fence } of turns) {
      await this.#sendRelease({ requestId, runId, ...(fence === undefined ? {} : { fence }) });
    }
  }

  /** Waits until the mutex has heard of every release, but not for ever. */
  async lastWord(): Promise<void> {
    if (this.isSending) await condition(() => !this.isSending, LAST_WORD_MS, { summary: 'tell the mutex' });
  }

  /** The command that waited has its outcome, and the channel is kept; the next one has a time of its own. */
  async endWait(): Promise<void> {
    if (this.#turn === undefined) return;
    this.#turn = { ...this.#turn, expiresAtMs: undefined };
    await this.reportBlocked(false);
  }

  /** Tells the mutex whether the platform keeps the granted channel from this session, if that is news. */
  async reportBlocked(blocked: boolean): Promise<void> {
    if (this.#turn?.fence === undefined || (this.#turn.isBlocked ?? false) === blocked) return;
    const { requestId, fence } = this.#turn;
    try {
      await atOnce.reportBlocked(this.#interactionId, { requestId, fence, blocked });
      if (this.#turn.requestId === requestId) this.#turn = { ...this.#turn, isBlocked: blocked };
    } catch (error) {
      if (isCancellation(error)) throw error;
      // Only the positions of those behind depend on it.
      log.warn('channel.report-lost', { interactionId: this.#interactionId, requestId, blocked });
    }
  }

  /** The platform lets nobody speak: has the mutex look whether its holder still can. */
  async doubtHolder(): Promise<void> {
    try {
      await atOnce.doubtHolder(this.#interactionId);
    } catch (error) {
      if (isCancellation(error)) throw error;
      log.warn('channel.doubt-lost', { interactionId: this.#interactionId });
    }
  }

  /** What the mutex says. */
  get signals(): HandledSignal[] {
    const granted = this.#taking(CHANNEL_GRANTED, channelGranted, (grant) => this.#granted(grant));
    return [
      {
        name: CHANNEL_GRANTED,
        description: 'Sent by the mutex: the exclusive channel is this session’s.',
        handle: granted,
        // Workers of before said it by update: what is in a history has to be taken when that is replayed.
        answer: granted,
      },
      {
        name: CHANNEL_QUEUED,
        description: 'Sent by the mutex: the session’s place in line.',
        handle: this.#taking(CHANNEL_QUEUED, channelQueued, (place) => this.#queued(place)),
      },
      {
        name: CHANNEL_EXPIRED,
        description: 'Sent by the mutex: the session has waited for its time.',
        handle: this.#taking(CHANNEL_EXPIRED, channelExpired, (message) => this.#expired(message)),
      },
    ];
  }

  /** A message that makes no sense must not fail the session. */
  #taking<Message>(
    name: string,
    schema: z.ZodType<Message>,
    take: (message: Message) => void,
  ): (given: unknown) => void {
    return (given) => {
      const message = schema.safeParse(given);
      if (message.success) take(message.data);
      else log.warn('channel.message-refused', { interactionId: this.#interactionId, signal: name });
    };
  }

  #granted(grant: ChannelGranted): void {
    const { requestId, fence, expiresAtMs } = grant;
    if (this.#turn?.requestId !== requestId) {
      // Who asks for itself is heard: the mutex has one place for each session, and finds out that another one has ended.
      if (this.#turn === undefined) this.#strays.push(grant);
      return;
    }
    // The same grant again, or a stale one.
    if (this.#turn.fence !== undefined && this.#turn.fence >= fence) return;
    const isFirst = this.#turn.fence === undefined;
    this.#strays = [];
    this.#turn = { ...this.#turn, fence, ...(isFirst ? { expiresAtMs } : {}) };
    this.#hasNews = true;
  }

  #queued({ requestId, position, expiresAtMs }: ChannelQueued): void {
    if (this.#turn?.requestId !== requestId || this.#turn.fence !== undefined) return;
    this.#turn = { ...this.#turn, position, expiresAtMs };
    this.#strays = [];
    this.#hasNews = true;
  }

  /**
   * The mutex holds the request for over. Before its time is, that is so because a task of this session took it back and was
   * lost with its worker; then there is a turn no more, and another one can be asked for.
   */
  #over(requestId: string): void {
    if (this.#turn?.requestId !== requestId || this.#turn.fence !== undefined) return;
    if (Date.now() < (this.#turn.expiresAtMs ?? 0)) this.#turn = undefined;
    else this.#turn = { ...this.#turn, isExpired: true };
    this.#hasNews = true;
  }

  #expired({ requestId }: ChannelExpired): void {
    // Once granted, it is the session that counts the time.
    if (this.#turn?.requestId !== requestId || this.#turn.fence !== undefined) return;
    this.#turn = { ...this.#turn, isExpired: true };
    this.#hasNews = true;
  }

  async #sendRelease(release: ChannelRelease): Promise<void> {
    await CancellationScope.nonCancellable(async () => {
      try {
        await atOnce.releaseChannel(this.#interactionId, release);
      } catch (error) {
        if (!isActivityFailure(error)) throw error;
        void this.#sendReleasePatiently(release);
      }
    });
  }

  async #sendReleasePatiently(release: ChannelRelease): Promise<void> {
    this.#underWay += 1;
    try {
      await releaseChannelPatiently(this.#interactionId, release);
    } catch (error) {
      if (!isActivityFailure(error)) throw error;
      log.warn('channel.release-lost', { interactionId: this.#interactionId, ...release });
    } finally {
      this.#underWay -= 1;
    }
  }
}
