import { cancellationSignal, getClient, log } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { closedSessionsSince, runningSessionsEverywhere } from '../directory/list-filter.js';
import { allRunningOn, runningSessions } from '../directory/running-sessions.js';
import type { RunningSession } from '../directory/running-sessions.js';
import { sessionMemo } from '../directory/session-memo.js';
import { sendAll, signalled, tidingsOfEnd } from '../directory/tell-workflows.js';
import { LOOK_AT_HOLDER } from '../domain/channel.js';
import { mutexWorkflowId, parseSessionWorkflowId } from '../domain/identifiers.js';
import { isLiveLeg } from '../domain/platform-wire.js';
import type { MonitorState } from '../domain/platform-wire.js';
import { judge } from '../domain/reconciliation.js';
import type { UnknownLeg } from '../domain/reconciliation.js';
import { MONITOR_STATUS_SIGNAL } from '../domain/workflow-contract.js';
import { PlatformError } from '../platform/platform-error.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';
import { whileBeating } from './heartbeats.js';
import { Pace } from './pace.js';
import { platformFailure } from './platform-failure.js';

/** Calls of nobody's that a round looks at besides, so that monitored ones come round every minute. */
const UNMONITORED_A_ROUND = 300;

/** Interactions whose sessions are listed at the same time: at the pace of a round, the list is 5 s old at most. */
const LISTED_AT_ONCE = 50;

/** Page of the platform's connected interactions. */
const PAGE_SIZE = 500;

/** So many failed looks in a row are a platform that is away: the rest of the round would be in vain. */
const FAILURES_IN_A_ROW = 5;

/** Legs that are remembered from one round to the next. */
const UNKNOWN_KEPT = 500;

/** Without an own word on it, ms. */
const THROTTLE_PAUSE_MS = 5_000;

export interface RoundRequest {
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
}

export interface ReconcileActivities {
  /**
   * Compares legs and sessions, both ways: sessions whose leg is not as they show it are told to look, and legs of our OAuth
   * client that no session knows are stopped (docs/decisions/0008-nothing-left-behind.md). Interactions of sessions that
   * died come first, then those that are monitored, then a share of the rest.
   */
  reconcile(request: RoundRequest): Promise<RoundResult>;
}

export function createReconcileActivities(platform: TelephonyPlatform): ReconcileActivities {
  return {
    reconcile: (request) => whileBeating(() => new Round(platform, getClient(), request).run()),
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

  constructor(platform: TelephonyPlatform, client: Client, request: RoundRequest) {
    this.#platform = platform;
    this.#client = client;
    this.#request = request;
    this.#pace = new Pace(platform, cancellationSignal());
  }

  async run(): Promise<RoundResult> {
    const dead = await this.#deadSessions();
    const unsettled = this.#request.unknown.map(({ interactionId }) => interactionId);
    await this.#lookAtAll([...dead.keys(), ...(await this.#monitored()), ...unsettled], dead);
    const cursor = await this.#lookAtOthers();
    return {
      sawTheDead: this.#sawTheDead,
      interactions: this.#looked.size,
      calls: this.#calls,
      sessionsTold: this.#sessionsTold,
      legsStopped: this.#legsStopped,
      unknown: this.#unknown.slice(0, UNKNOWN_KEPT),
      cursor,
    };
  }

  /** By interaction. One that goes on in another run after a reset has not died. */
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

  /** Calls that nobody monitors may have legs that nobody knows. Where the next round is to go on. */
  async #lookAtOthers(): Promise<string | null> {
    let { cursor } = this.#request;
    const until = this.#looked.size + UNMONITORED_A_ROUND;
    do {
      const page = await this.#call(() =>
        this.#platform.listInteractions(
          { status: 'connected', pageSize: PAGE_SIZE, ...(cursor === null ? {} : { cursor }) },
          { signal: cancellationSignal() },
        ),
      );
      // Also where the cursor is no longer known: from the beginning, then.
      if (page === undefined) return null;
      const ids = page.entities.map(({ id }) => id).filter((id) => !this.#looked.has(id));
      await this.#lookAtAll(ids.slice(0, until - this.#looked.size));
      // What is left of this page is looked at when the page comes round again.
      if (this.#looked.size >= until) return cursor;
      cursor = page.nextCursor;
    } while (cursor !== null);
    return null;
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
      this.#platform.monitorState(interactionId, { signal: cancellationSignal() }).catch((error: unknown) => {
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
    const tidings = tidingsOfEnd({ sessions, mutexes }, () => 'found ended by a look');
    await sendAll(this.#client, tidings);
    this.#sessionsTold += sessions.length;
  }

  async #settle(state: MonitorState, sessions: readonly RunningSession[], dead: readonly DeadSession[]): Promise<void> {
    const { interactionId } = state;
    const { clientId } = this.#platform;
    const unknownBefore = this.#request.unknown;
    const verdict = judge({ state, sessions, clientId, unknownBefore, nowMs: Date.now() });
    await sendAll(
      this.#client,
      verdict.mistaken.map((workflowId) => ({ workflowId, signal: MONITOR_STATUS_SIGNAL, payload: undefined })),
    );
    this.#sessionsTold += verdict.mistaken.length;

    const live = new Set(state.monitors.filter(isLiveLeg).map(({ monitorSessionId }) => monitorSessionId));
    const left = dead.filter(({ monitorSessionId }) => monitorSessionId !== null && live.has(monitorSessionId));
    const stopped = new Set<string>();
    for (const session of left) {
      if (session.monitorSessionId === null || (await this.#goesOn(session))) continue;
      if (await this.#stop(interactionId, session.monitorSessionId)) stopped.add(session.monitorSessionId);
    }
    for (const monitorSessionId of verdict.orphans) {
      if (!stopped.has(monitorSessionId) && (await this.#stop(interactionId, monitorSessionId))) {
        stopped.add(monitorSessionId);
      }
    }
    const unsettled = [...verdict.unknown, ...unknownAgain(verdict.orphans, unknownBefore)];
    this.#unknown.push(...unsettled.filter(({ monitorSessionId }) => !stopped.has(monitorSessionId)));
    // Whoever it was may have had the exclusive channel, and nobody may be waiting for it yet.
    if (stopped.size > 0) await signalled(this.#client, mutexWorkflowId(interactionId), LOOK_AT_HOLDER, undefined);
  }

  /** Whether another run of the same session has its leg now, as after a reset. Not by a list, which lags. */
  async #goesOn({ sessionId, runId }: DeadSession): Promise<boolean> {
    const description = await this.#client.workflow.getHandle(sessionId).describe();
    const isOpen = description.status.name === 'RUNNING' || description.status.name === 'PAUSED';
    return isOpen && (description.raw.workflowExecutionInfo?.firstRunId ?? runId) === runId;
  }

  /** Makes sure once more that nobody owns it; whether it is stopped. */
  async #stop(interactionId: string, monitorSessionId: string): Promise<boolean> {
    const sessions = await runningSessions(this.#client, interactionId);
    const isSomebodys = sessions.some((one) => one.monitorSessionId === monitorSessionId || one.start !== 'resolved');
    if (isSomebodys) return false;
    const stopped = await this.#call(() =>
      this.#platform.stopMonitor({ interactionId, monitorSessionId }, { signal: cancellationSignal() }),
    );
    if (stopped === undefined) return false;
    log.warn('leg.orphan-stopped', { interactionId, monitorSessionId });
    this.#legsStopped += 1;
    return true;
  }

  /**
   * One call to the platform, in its turn; `undefined` where it failed, which the next round makes up for.
   * @throws ApplicationFailure where the rest of the round would fail as well
   */
  async #call<T>(call: () => Promise<T>): Promise<T | undefined> {
    await this.#pace.turn();
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
      if (isForAll || this.#failuresInARow >= FAILURES_IN_A_ROW) throw platformFailure(error);
      if (fault.kind === 'throttled') this.#pace.pause(fault.retryAfterMs ?? THROTTLE_PAUSE_MS);
      return undefined;
    }
  }
}

function unknownAgain(orphans: readonly string[], before: readonly UnknownLeg[]): UnknownLeg[] {
  return before.filter(({ monitorSessionId }) => orphans.includes(monitorSessionId));
}
