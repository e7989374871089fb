import { cancellationSignal, getClient, log, sleep } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { closedSessionsSince, runningSessionsEverywhere, sweepItself } from '../directory/list-filter.js';
import { allRunningOn, openRunOf, runningSessions } from '../directory/running-sessions.js';
import type { RunningSession } from '../directory/running-sessions.js';
import { sessionMemo } from '../directory/session-memo.js';
import { sendAll, tidingsOfEnd } from '../directory/tell-workflows.js';
import type { Message } from '../directory/tell-workflows.js';
import { LOOK_AT_HOLDER } from '../domain/channel.js';
import { mutexWorkflowId, parseSessionWorkflowId } from '../domain/identifiers.js';
import { isLiveLegOf } from '../domain/leg-status.js';
import type { InteractionPage, MonitorState } from '../domain/platform-wire.js';
import { judge } from '../domain/reconciliation.js';
import type { UnknownLeg } from '../domain/reconciliation.js';
import { ROUND_MEMO } from '../domain/sweep.js';
import { MONITOR_STATUS_SIGNAL } from '../domain/workflow-contract.js';
import { PlatformError } from '../platform/platform-error.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';
import { whileBeating } from './heartbeats.js';
import { Pace } from './pace.js';

/** Calls of nobody's that a round looks at besides, so that monitored ones come round every minute. */
const UNMONITORED_A_ROUND = 300;

/** Interactions whose sessions are listed at the same time: at the pace of a round, the list is 5 s old at most. */
const LISTED_AT_ONCE = 50;

/** Page of the platform's connected interactions; a round looks at whole ones. */
const PAGE_SIZE = 100;

/** So many failed looks in a row are a platform that is away: the rest of the round would be in vain. */
const FAILURES_IN_A_ROW = 10;

/** How long lists are waited for until they show that they are up to date, ms. */
const FRESH_WITHIN_MS = 5_000;
const FRESH_PAUSE_MS = 250;

/** Legs that are remembered from one round to the next. */
const UNKNOWN_KEPT = 500;

/** Without an own word on it, ms. */
const THROTTLE_PAUSE_MS = 5_000;

export interface RoundRequest {
  /** What the sweep's memo says of this round, by which lists show whether they are up to date. */
  readonly round: number;
  /** Sessions that closed later are looked behind, ISO 8601, by Temporal's clock. */
  readonly closedSince: string;
  /** Of the round before. */
  readonly unknown: readonly UnknownLeg[];
  /** Where the walk through the calls that nobody monitors goes on; `null`: at the beginning. */
  readonly cursor: string | null;
}

export interface RoundResult {
  /** Behind every session that died the platform has been asked; if not, the next round has to do it again. */
  readonly sawTheDead: boolean;
  readonly interactions: number;
  readonly calls: number;
  readonly sessionsTold: number;
  readonly legsStopped: number;
  readonly unknown: readonly UnknownLeg[];
  readonly cursor: string | null;
  /** Why it is not whole, if it is not; the next one makes up for that. */
  readonly trouble: string | null;
}

export interface ReconcileActivities {
  /**
   * Compares legs and sessions, both ways: sessions whose leg is not as they show it are told to look, and legs of our OAuth
   * client that no session knows are stopped (docs/decisions/0008-nothing-left-behind.md). Interactions of sessions that
   * died come first, then those that are monitored, then a share of the rest.
   */
  reconcile(request: RoundRequest): Promise<RoundResult>;
}

/** @param intervalMs between two calls to the platform at least */
export function createReconcileActivities(platform: TelephonyPlatform, intervalMs?: number): ReconcileActivities {
  return {
    reconcile: (request) =>
      whileBeating(() => {
        const pace = new Pace(cancellationSignal(), intervalMs);
        return new Round(platform, getClient(), pace, request).run();
      }),
  };
}

/** A session that closed without a word of its leg. */
interface DeadSession {
  readonly sessionId: string;
  /** The first run of its chain. */
  readonly runId: string;
  readonly interactionId: string;
  readonly monitorSessionId: string | null;
}

class Round {
  readonly #platform: TelephonyPlatform;
  readonly #client: Client;
  readonly #request: RoundRequest;
  readonly #pace: Pace;
  readonly #looked = new Set<string>();
  readonly #unknown: UnknownLeg[] = [];
  #calls = 0;
  #sessionsTold = 0;
  #legsStopped = 0;
  #failuresInARow = 0;
  #sawTheDead = true;
  #trouble: string | null = null;
  /** The rest of the round would be in vain. */
  #isAway = false;
  #freshness: Promise<boolean> | undefined;

  constructor(platform: TelephonyPlatform, client: Client, pace: Pace, request: RoundRequest) {
    this.#platform = platform;
    this.#client = client;
    this.#pace = pace;
    this.#request = request;
  }

  async run(): Promise<RoundResult> {
    const dead = await this.#deadSessions();
    const unsettled = this.#request.unknown.map(({ interactionId }) => interactionId);
    // Begun elsewhere each time, so that a round that does not come to its end leaves out others the next time.
    await this.#lookAtAll([...dead.keys(), ...unsettled, ...fromAnywhere([...(await this.#monitored())])], dead);
    const cursor = await this.#lookAtOthers();
    return {
      sawTheDead: this.#sawTheDead,
      interactions: this.#looked.size,
      calls: this.#calls,
      sessionsTold: this.#sessionsTold,
      legsStopped: this.#legsStopped,
      unknown: this.#unknown.slice(0, UNKNOWN_KEPT),
      cursor,
      trouble: this.#trouble,
    };
  }

  /** By interaction. Some may yet go on in another run. */
  async #deadSessions(): Promise<Map<string, DeadSession[]>> {
    const dead = new Map<string, DeadSession[]>();
    const query = closedSessionsSince(this.#request.closedSince);
    for await (const execution of this.#client.workflow.list({ query })) {
      const ids = parseSessionWorkflowId(execution.workflowId);
      if (ids === undefined) continue;
      const { interactionId } = ids;
      const { session } = sessionMemo(execution);
      const { runId = execution.runId, monitorSessionId = null } = session ?? {};
      const one = { sessionId: execution.workflowId, runId, interactionId, monitorSessionId };
      dead.set(interactionId, [...(dead.get(interactionId) ?? []), one]);
    }
    return dead;
  }

  /** The interactions of all running sessions. */
  async #monitored(): Promise<Set<string>> {
    const monitored = new Set<string>();
    for await (const { workflowId } of this.#client.workflow.list({ query: runningSessionsEverywhere() })) {
      const ids = parseSessionWorkflowId(workflowId);
      if (ids !== undefined) monitored.add(ids.interactionId);
    }
    return monitored;
  }

  /** Calls that nobody monitors may have legs that nobody knows: some of them. Where the next round is to go on. */
  async #lookAtOthers(): Promise<string | null> {
    let { cursor } = this.#request;
    const enough = this.#looked.size + UNMONITORED_A_ROUND;
    const seen = new Set([cursor]);
    do {
      const page = await this.#connected(cursor);
      if (page === undefined) return cursor;
      if (page === 'cursor-unknown') return null;
      await this.#lookAtAll(page.entities.map(({ id }) => id));
      cursor = page.nextCursor;
      // One that leads in circles: from the beginning, then.
      if (seen.has(cursor)) return null;
      seen.add(cursor);
    } while (cursor !== null && this.#looked.size < enough);
    return cursor;
  }

  #connected(cursor: string | null): Promise<InteractionPage | 'cursor-unknown' | undefined> {
    const query = { status: 'connected', pageSize: PAGE_SIZE, ...(cursor === null ? {} : { cursor }) } as const;
    return this.#call(() =>
      this.#platform.listInteractions(query, { signal: cancellationSignal() }).catch((error: unknown) => {
        if (cursor !== null && error instanceof PlatformError && error.fault.kind === 'invalid') {
          return 'cursor-unknown' as const;
        }
        throw error;
      }),
    );
  }

  /** Their sessions are listed a few at a time: a round may take a while, and what they show changes meanwhile. */
  async #lookAtAll(
    interactionIds: readonly string[],
    dead: ReadonlyMap<string, readonly DeadSession[]> = new Map(),
  ): Promise<void> {
    const ids = [...new Set(interactionIds)].filter((id) => !this.#looked.has(id));
    for (let start = 0; start < ids.length; start += LISTED_AT_ONCE) {
      const some = ids.slice(start, start + LISTED_AT_ONCE);
      const { sessions } = await allRunningOn(this.#client, some);
      for (const id of some) {
        const own = sessions.filter(({ interactionId }) => interactionId === id);
        await this.#look(id, own, dead.get(id) ?? []);
      }
    }
  }

  async #look(interactionId: string, sessions: readonly RunningSession[], dead: readonly DeadSession[]): Promise<void> {
    this.#looked.add(interactionId);
    const state = await this.#call(() =>
      this.#platform
        .monitorState(interactionId, { signal: cancellationSignal(), importance: 'background' })
        .catch((error: unknown) => {
          if (error instanceof PlatformError && error.fault.kind === 'gone') return 'gone' as const;
          throw error;
        }),
    );
    if (state === undefined) {
      if (dead.length > 0) this.#sawTheDead = false;
      this.#unknown.push(...this.#request.unknown.filter((leg) => leg.interactionId === interactionId));
    } else if (state === 'gone') {
      await this.#end(interactionId, sessions);
    } else {
      await this.#settle(state, sessions, dead);
    }
  }

  async #end(interactionId: string, sessions: readonly RunningSession[]): Promise<void> {
    if (sessions.length === 0) return;
    const mutexes = [{ workflowId: mutexWorkflowId(interactionId), interactionId }];
    await this.#tell(tidingsOfEnd({ sessions, mutexes }, () => 'found ended by a look'));
    this.#sessionsTold += sessions.length;
  }

  async #settle(state: MonitorState, sessions: readonly RunningSession[], dead: readonly DeadSession[]): Promise<void> {
    const { interactionId } = state;
    const { clientId } = this.#platform;
    const unknownBefore = this.#request.unknown;
    const verdict = judge({ state, sessions, clientId, unknownBefore, nowMs: Date.now() });
    await this.#tell(
      verdict.mistaken.map((workflowId) => ({ workflowId, signal: MONITOR_STATUS_SIGNAL, payload: undefined })),
    );
    this.#sessionsTold += verdict.mistaken.length;

    const toStop = new Set(verdict.orphans);
    // What a memo says is its writer's word; only the platform tells whose a leg is.
    const ours = state.monitors.filter((leg) => isLiveLegOf(clientId, leg));
    for (const session of dead) {
      const left = ours.find(({ monitorSessionId }) => monitorSessionId === session.monitorSessionId);
      // One that goes on in another run, as after a reset, has its leg still.
      if (left !== undefined && (await openRunOf(this.#client, session)) === undefined)
        toStop.add(left.monitorSessionId);
    }
    const stopped = new Set<string>();
    for (const monitorSessionId of toStop) {
      if (await this.#stop(interactionId, monitorSessionId)) stopped.add(monitorSessionId);
    }
    const unsettled = [...verdict.unknown, ...unknownAgain(verdict.orphans, unknownBefore)];
    this.#unknown.push(...unsettled.filter(({ monitorSessionId }) => !stopped.has(monitorSessionId)));
    // Whoever it was may have had the exclusive channel, and nobody may be waiting for it yet.
    if (stopped.size > 0) {
      await this.#tell([{ workflowId: mutexWorkflowId(interactionId), signal: LOOK_AT_HOLDER, payload: undefined }]);
    }
  }

  /** Makes sure once more that nobody owns it, right before it is stopped; whether it is. */
  async #stop(interactionId: string, monitorSessionId: string): Promise<boolean> {
    if (!(await this.#listsAreFresh())) return false;
    await this.#pace.turn();
    const sessions = await runningSessions(this.#client, interactionId);
    const isSomebodys = sessions.some((one) => one.monitorSessionId === monitorSessionId || one.start !== 'resolved');
    if (isSomebodys) return false;
    const stopped = await this.#callNow(() =>
      this.#platform.stopMonitor({ interactionId, monitorSessionId }, { signal: cancellationSignal() }),
    );
    if (stopped === undefined) return false;
    log.warn('leg.orphan-stopped', { interactionId, monitorSessionId });
    this.#legsStopped += 1;
    return true;
  }

  /** Lists that stand still would make orphans of all new legs. Found out once a round. */
  #listsAreFresh(): Promise<boolean> {
    return (this.#freshness ??= this.#waitUntilFresh());
  }

  /** Until lists show what this round's sweep has written into its memo; false where they don't. */
  async #waitUntilFresh(): Promise<boolean> {
    const untilMs = performance.now() + FRESH_WITHIN_MS;
    for (;;) {
      for await (const { memo } of this.#client.workflow.list({ query: sweepItself() })) {
        const round = memo?.[ROUND_MEMO];
        if (typeof round === 'number' && round >= this.#request.round) return true;
      }
      if (performance.now() >= untilMs) break;
      await sleep(FRESH_PAUSE_MS);
    }
    this.#trouble = 'Temporal’s lists are out of date: no leg is stopped by them';
    return false;
  }

  /** Who cannot be told now is told in the next round. */
  async #tell(messages: readonly Message[]): Promise<void> {
    try {
      await sendAll(this.#client, messages);
    } catch (error) {
      log.warn('round.not-told', { error });
    }
  }

  /** One call to the platform, in its turn; `undefined` where it failed, which the next round makes up for. */
  async #call<T>(call: () => Promise<T>): Promise<T | undefined> {
    if (this.#isAway) return undefined;
    await this.#pace.turn();
    return this.#callNow(call);
  }

  async #callNow<T>(call: () => Promise<T>): Promise<T | undefined> {
    this.#calls += 1;
    try {
      const answer = await call();
      this.#failuresInARow = 0;
      return answer;
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      this.#failuresInARow += 1;
      const { fault } = error;
      const isForAll = fault.kind === 'forbidden' || fault.kind === 'unauthorized';
      this.#isAway ||= isForAll || this.#failuresInARow >= FAILURES_IN_A_ROW;
      if (this.#isAway) this.#trouble = error.message;
      if (fault.kind === 'throttled') this.#pace.pause(fault.retryAfterMs ?? THROTTLE_PAUSE_MS);
      return undefined;
    }
  }
}

/** The same ones, in the same order, beginning anywhere. */
function fromAnywhere<T>(items: readonly T[]): T[] {
  const start = Math.floor(Math.random() * items.length);
  return [...items.slice(start), ...items.slice(0, start)];
}

function unknownAgain(orphans: readonly string[], before: readonly UnknownLeg[]): UnknownLeg[] {
  return before.filter(({ monitorSessionId }) => orphans.includes(monitorSessionId));
}
