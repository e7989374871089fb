import type { Client } from '@temporalio/client';
import { NO_STORY, newsIn, withEvent } from '../domain/interaction-story.js';
import type { InteractionStory } from '../domain/interaction-story.js';
import { isUrgentTo, newsTo } from '../domain/leg-news.js';
import type { LegNews } from '../domain/leg-news.js';
import type { CallEvent } from '../domain/platform-events.js';
import type { SessionSnapshot } from '../domain/session.js';
import { MONITOR_STATUS_SIGNAL } from '../domain/workflow-contract.js';
import { Agenda } from './agenda.js';
import { allRunningOn } from './running-sessions.js';
import type { Running } from './running-sessions.js';
import { sendAll, tidingsOfEnd } from './tell-workflows.js';
import type { Message, TellableSession } from './tell-workflows.js';

/** Interactions whose events are routed together, by one list request. */
const INTERACTIONS_AT_ONCE = 100;

/** How long one look, or its signals, may take, ms. */
const CALL_LIMIT_MS = 5_000;

/**
 * When what can wait is told, ms after the event: of a hand-over, say, only what is left of it by then. Lists show by then
 * what a session has done itself.
 */
const SOON_MS = 2_500;

/** When everything is looked at once more, ms after the event: lists show by then who had just started. */
const AGAIN_MS = 5_000;

/** Before a later look that failed is tried again, and for how long, ms. */
const RETRY_PAUSE_MS = 1_000;
const RETRIED_MS = 60_000;

/** How long a session that was noted is believed to run, ms: longer than lists lag. */
const NOTED_MS = 10_000;

/** Interactions that are remembered for a later look. In a flood of more, the rest are looked at once. */
const REMEMBERED = 20_000;

type Stories = ReadonlyMap<string, InteractionStory>;
type Concerns = (session: SessionSnapshot, news: LegNews) => boolean;

interface Remembered {
  readonly story: InteractionStory;
  readonly sinceMs: number;
  /** Of its last look, ms since the epoch. */
  readonly untilMs: number;
}

/** An event that waits to be routed. */
interface Arrival {
  readonly event: CallEvent;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Brings the platform's events to the sessions that they concern, by what Temporal's lists show. Most events are of calls
 * that nobody monitors; those cost a share of one list request for all that came meanwhile.
 *
 * Lists lag. Who was missed, or shown as he was before, is found by later looks (docs/decisions/0008-nothing-left-behind.md).
 */
export class EventRouter {
  readonly #client: Client;
  readonly #onTrouble: (error: unknown) => void;
  readonly #arrivals: Arrival[] = [];
  readonly #remembered = new Map<string, Remembered>();
  readonly #agenda = new Agenda((interactionIds) => this.#lookAgain(interactionIds));
  readonly #noted = new Map<string, { readonly interactionId: string; readonly untilMs: number }>();
  #isRouting = false;

  /** @param onTrouble is told of later looks that failed; they are tried again */
  constructor(client: Client, onTrouble: (error: unknown) => void) {
    this.#client = client;
    this.#onTrouble = onTrouble;
  }

  /** Tells of a session that has just been started, which lists may not show yet. */
  note({ sessionId, interactionId }: { readonly sessionId: string; readonly interactionId: string }): void {
    const now = Date.now();
    // The oldest first.
    for (const [id, { untilMs }] of this.#noted) {
      if (untilMs > now) break;
      this.#noted.delete(id);
    }
    this.#noted.delete(sessionId);
    this.#noted.set(sessionId, { interactionId, untilMs: now + NOTED_MS });
  }

  /**
   * Resolves once every session that is known to be concerned at once has been signalled, which is durable.
   * @throws what Temporal's client throws; the event may have reached some sessions then, and can be repeated.
   */
  route(event: CallEvent): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#arrivals.push({ event, resolve, reject });
      void this.#routeArrivals();
    });
  }

  /** Later looks are given up. */
  close(): void {
    this.#agenda.close();
  }

  /** What arrives while one batch is on its way makes up the next. */
  async #routeArrivals(): Promise<void> {
    if (this.#isRouting) return;
    this.#isRouting = true;
    for (let batch = this.#nextBatch(); batch.length > 0; batch = this.#nextBatch()) {
      const stories = new Map<string, InteractionStory>();
      for (const { event } of batch) {
        const { interactionId } = event.data;
        stories.set(interactionId, withEvent(stories.get(interactionId) ?? NO_STORY, event));
        this.#remember(event);
      }
      try {
        await this.#look(stories, isUrgentTo);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isRouting = false;
  }

  #nextBatch(): Arrival[] {
    const interactionIds = new Set<string>();
    const end = this.#arrivals.findIndex(({ event }) => {
      interactionIds.add(event.data.interactionId);
      return interactionIds.size > INTERACTIONS_AT_ONCE;
    });
    return this.#arrivals.splice(0, end === -1 ? this.#arrivals.length : end);
  }

  #remember(event: CallEvent): void {
    const { interactionId } = event.data;
    const now = Date.now();
    const known = this.#remembered.get(interactionId);
    if (known === undefined && this.#remembered.size >= REMEMBERED) return;
    const { story, sinceMs } = known ?? { story: NO_STORY, sinceMs: now };
    this.#remembered.set(interactionId, { story: withEvent(story, event), sinceMs, untilMs: now + AGAIN_MS });
    if (event.topic === 'interaction.telephony.monitor') this.#agenda.add(interactionId, now + SOON_MS);
    this.#agenda.add(interactionId, now + AGAIN_MS);
  }

  async #lookAgain(interactionIds: readonly string[]): Promise<void> {
    const now = Date.now();
    for (let start = 0; start < interactionIds.length; start += INTERACTIONS_AT_ONCE) {
      const some = interactionIds.slice(start, start + INTERACTIONS_AT_ONCE).flatMap((interactionId) => {
        const remembered = this.#remembered.get(interactionId);
        return remembered === undefined ? [] : [{ interactionId, ...remembered }];
      });
      try {
        await this.#look(
          new Map(some.map(({ interactionId, story }) => [interactionId, story])),
          (session, news) => newsTo(session, news) !== undefined,
        );
        // Unless it has been heard of again during the look.
        for (const { interactionId } of some) {
          const untilMs = this.#remembered.get(interactionId)?.untilMs;
          if (untilMs !== undefined && untilMs <= now) this.#remembered.delete(interactionId);
        }
      } catch (error) {
        this.#onTrouble(error);
        for (const { interactionId, sinceMs } of some) {
          if (now - sinceMs < RETRIED_MS) this.#agenda.add(interactionId, now + RETRY_PAUSE_MS);
          else this.#remembered.delete(interactionId);
        }
      }
    }
  }

  async #look(stories: Stories, concerns: Concerns): Promise<void> {
    if (stories.size === 0) return;
    const client = this.#client;
    const running = await client.withDeadline(Date.now() + CALL_LIMIT_MS, () =>
      allRunningOn(client, [...stories.keys()]),
    );
    const all = { ...running, sessions: [...running.sessions, ...this.#unlisted(running)] };
    const messages = [
      ...tidingsOfEnd(all, (interactionId) => stories.get(interactionId)?.ended),
      ...all.sessions.flatMap((session) => newsFor(session, stories.get(session.interactionId), concerns)),
    ];
    await client.withDeadline(Date.now() + CALL_LIMIT_MS, () => sendAll(client, messages));
  }

  /** Those that lists do not show yet. */
  #unlisted({ sessions }: Running): TellableSession[] {
    const now = Date.now();
    const listed = new Set(sessions.map(({ sessionId }) => sessionId));
    return [...this.#noted]
      .filter(([sessionId, { untilMs }]) => untilMs > now && !listed.has(sessionId))
      .map(([sessionId, { interactionId }]) => ({ sessionId, interactionId, session: undefined }));
  }
}

function newsFor(
  { sessionId: workflowId, session }: TellableSession,
  story: InteractionStory | undefined,
  concerns: Concerns,
): Message[] {
  if (story === undefined || story.ended !== undefined) return [];
  // Who shows nothing yet waits for its leg.
  return newsIn(story, session)
    .filter((news) => (session === undefined ? news.status !== 'pending' : concerns(session, news)))
    .map((payload) => ({ workflowId, signal: MONITOR_STATUS_SIGNAL, payload }));
}
