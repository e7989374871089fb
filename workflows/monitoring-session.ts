import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  allHandlersFinished,
  condition,
  isCancellation,
  log,
  makeContinueAsNewFunc,
  setHandler,
  sleep,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import type { ZodError } from 'zod';
import type { Observation } from '../activities/leg-activities.js';
import type { WorkflowSettings } from '../activities/read-activities.js';
import { announcementOf } from '../domain/announcements.js';
import { commandNews } from '../domain/command-outcomes.js';
import {
  awaitCommandInput,
  commandSignal,
  interactionEndedSignal,
  isFinal,
  MAX_DURATION_SECONDS,
  START_COMMAND_ID,
} from '../domain/commands.js';
import type { AwaitCommandInput, CommandAction, CommandSignal, StartSessionInput } from '../domain/commands.js';
import type { ActivityFailureType, WorkflowFailureType } from '../domain/errors.js';
import { describeFaults } from '../domain/input-faults.js';
import { legNews, newsTo } from '../domain/leg-news.js';
import type { LegNews } from '../domain/leg-news.js';
import { applySessionEvent, findCommand, isLive, newSessionRecord } from '../domain/session-record.js';
import type { LegAtEnd, SessionEvent } from '../domain/audit-entry.js';
import type { SessionRecord } from '../domain/session-record.js';
import { sessionSnapshot } from '../domain/session.js';
import type { EndReason } from '../domain/session.js';
import { INTERACTION_ENDED_SIGNAL, MONITOR_STATUS_SIGNAL, SESSION_MEMO } from '../domain/workflow-contract.js';
import type { CommandOutcome, SessionReport } from '../domain/session-report.js';
import type { StartProgress } from '../domain/workflow-contract.js';
import { applicationFailure, atOnceOr, isActivityFailure, isAnswer, unansweredSince } from './activity-failures.js';
import { confirmLeg } from './confirm-leg.js';
import { ExclusiveChannel } from './exclusive-channel.js';
import type { Turn } from './exclusive-channel.js';
import { LegMedia } from './leg-media.js';
import { endReasonOf } from './leg-modes.js';
import { makeLeg } from './make-leg.js';
import { ModeChanges } from './mode-changes.js';
import { announcements } from './session-announcements.js';
import { quickly, readSettings, stopLegPatiently } from './session-activities.js';
import { parseInput } from './session-input.js';
import { awaitCommandUpdate, COMMAND_SIGNALS, stateQuery } from './session-messages.js';
import { SessionMirror } from './session-mirror.js';
import { handleSignalsInOrder } from './signals-in-order.js';
import type { Inbox } from './signals-in-order.js';
import { isTaskOfItsOwn } from './task-of-its-own.js';
import { traces } from './trace-hook.js';
import { parsed } from './workflow-input.js';

/** Of what was wrong with a signal, as much as anybody reads; the signal itself may be megabytes. */
const REFUSAL_MAX_LENGTH = 300;

/** Before a leg is waited for once more because the platform did not answer, ms. */
const UNANSWERED_PAUSE_MS = 5_000;

/** Legs of the interaction whose news a session keeps until it knows its own. */
const NEWS_KEPT = 20;

/** What a session hands to its successor when its history has grown long. */
interface CarriedSession {
  readonly record: SessionRecord;
  readonly settings: WorkflowSettings;
  /** When `maxDurationSeconds` is over, ms since the epoch. */
  readonly endsAtMs: number;
  /** The exclusive channel, where it has it. */
  readonly turn: Turn | undefined;
}

/**
 * One monitor leg from start to end. Started under `sessionWorkflowId(interactionId, supervisorId)` by anybody, in any
 * language; ends by itself with the call, and leaves no leg behind.
 *
 * History budget (events): start and stop 34 at most, a mode change 7, a change of how it is heard 5, an idle session none.
 *
 * @throws ApplicationFailure `invalid.request`, `session.id.mismatch`. A start that the platform refuses is not a
 * failure: the session ends with an `endReason`.
 */
export async function monitoringSession(input: StartSessionInput, carried?: CarriedSession): Promise<SessionReport> {
  const session = new MonitoringSession(parseInput(input), carried);
  return session.run();
}

class MonitoringSession {
  readonly #input: StartSessionInput;
  readonly #carried: CarriedSession | undefined;
  readonly #mirror = new SessionMirror();
  readonly #channel: ExclusiveChannel;
  readonly #media: LegMedia;
  readonly #modes: ModeChanges;
  readonly #inbox: Inbox;
  /** All that `stop`, cancellation and the interaction's end cut short. */
  readonly #life = new CancellationScope();
  #record: SessionRecord;
  #start: StartProgress;
  /** What events told of legs before the session's own was confirmed; its own may be among them before it knows it. */
  readonly #told = new Map<string, LegNews>();
  /** A `start` may have made a leg that nobody can tell. */
  #legUnknown = false;

  constructor(input: StartSessionInput, carried: CarriedSession | undefined) {
    this.#input = input;
    this.#carried = carried;
    const { workflowId, firstExecutionRunId } = workflowInfo();
    this.#record =
      carried?.record ?? newSessionRecord(input, { sessionId: workflowId, runId: firstExecutionRunId }, startedAt());
    this.#start = carried === undefined ? 'unresolved' : 'resolved';
    this.#media = new LegMedia({
      session: () => this.#record.session,
      apply: (event) => this.#apply(event),
      refuse: (signal, error) => this.#refuse(signal, error),
      publish: () => this.#publish(),
    });
    this.#channel = new ExclusiveChannel(input.interactionId, carried?.turn);
    this.#modes = new ModeChanges(
      {
        record: () => this.#record,
        leg: () => this.#leg(),
        apply: (event) => this.#apply(event),
        publish: () => this.#publish(),
        end: (reason) => this.#end(reason),
        answered: () => this.#answered(),
        failed: (failure) => this.#failed(failure),
      },
      this.#channel,
    );
    this.#inbox = this.#handleMessages();
  }

  async run(): Promise<SessionReport> {
    this.#publish();
    void CancellationScope.nonCancellable(() => this.#cutShort());
    void CancellationScope.nonCancellable(() => this.#media.keepPublished());
    const [created] = this.#record.history;
    if (this.#carried === undefined && created !== undefined) this.#announce(created);
    try {
      await this.#life.run(() => this.#live());
    } catch (error) {
      if (!isCancellation(error)) throw error;
      // Where `#end` did not cut the life short, the workflow itself was cancelled.
      this.#end('cancelled');
    }
    await traces.because(this.#endedBy, () => CancellationScope.nonCancellable(() => this.#tearDown()));
    // Temporal shows a cancelled session as such; its memo has the rest.
    if (this.#record.session.endReason === 'cancelled') throw new CancelledFailure('the session was cancelled');
    return this.#report();
  }

  // Signal handlers only write down what was asked; the one loop of `#live` does it, in order.
  #handleMessages(): Inbox {
    const inbox = handleSignalsInOrder([
      ...COMMAND_SIGNALS.map(({ action, description }) => ({
        name: action,
        description,
        handle: (payload: unknown) => this.#accept(action, payload),
      })),
      {
        name: INTERACTION_ENDED_SIGNAL,
        description: 'The interaction is over: end the session.',
        handle: (payload) => {
          traces.heard(INTERACTION_ENDED_SIGNAL);
          this.#end('interaction-ended', byWhom(interactionEndedSignal.safeParse(payload).data));
        },
      },
      {
        name: MONITOR_STATUS_SIGNAL,
        description: 'Something about the interaction’s legs has changed: look what.',
        handle: (payload) => this.#hear(payload),
      },
      this.#media.signal,
      ...this.#channel.signals,
    ]);
    setHandler(stateQuery, () => this.#report(), {
      description: 'The session, its commands with their outcomes, and its audit trail.',
    });
    const awaitCommand = (input: AwaitCommandInput): Promise<CommandOutcome> => {
      inbox.heard();
      return this.#awaitCommand(input);
    };
    setHandler(awaitCommandUpdate, awaitCommand, {
      description: 'Wait for the outcome of {commandId}, at most {waitMs}.',
      validator: (input) => {
        const { commandId } = parsed(awaitCommandInput, input);
        if (findCommand(this.#record, commandId) === undefined) {
          const type: WorkflowFailureType = 'command.not.found';
          throw ApplicationFailure.nonRetryable(`this session knows no command ${commandId}`, type);
        }
      },
    });
    return inbox;
  }

  #accept(action: CommandAction, payload: unknown): void {
    const command = commandSignal.safeParse(payload ?? {});
    if (!command.success) return this.#refuse(action, command.error);
    const { commandId = uuid4() } = command.data;
    const repeated = findCommand(this.#record, commandId) !== undefined;
    if (!repeated) traces.heard(commandId);
    const by = byWhom(command.data);
    this.#apply({ type: 'command.accepted', at: now(), commandId, action, ...by });
    if (action === 'stop' && !repeated) this.#end('stopped', { commandId, ...by });
  }

  /** A signal has no answer and must not fail the session: the trail says what was wrong with it. */
  #refuse(signal: string, error: ZodError): void {
    const reason = describeFaults(error, 'payload').slice(0, REFUSAL_MAX_LENGTH);
    this.#apply({ type: 'signal.refused', at: now(), signal, reason });
  }

  /** Of what an event tells, only `active` is believed, and only while the session waits for it. */
  #hear(payload: unknown): void {
    const news = legNews.safeParse(payload);
    if (!news.success) return this.#modes.hint();
    const { session } = this.#record;
    if (newsTo(session, news.data) === undefined) return;
    if (session.state !== 'PENDING') return this.#modes.hint();
    this.#told.set(news.data.monitorSessionId, news.data);
    for (const oldest of [...this.#told.keys()].slice(0, -NEWS_KEPT)) this.#told.delete(oldest);
  }

  async #awaitCommand({ commandId, waitMs }: AwaitCommandInput): Promise<CommandOutcome> {
    const command = () => {
      const found = findCommand(this.#record, commandId);
      if (found === undefined) {
        const type: WorkflowFailureType = 'command.not.found';
        throw ApplicationFailure.nonRetryable(`this session has forgotten command ${commandId}`, type);
      }
      return found;
    };
    // A cancelled session still answers: the outcome comes with its end.
    if (waitMs > 0 && !isFinal(command().status)) {
      await CancellationScope.nonCancellable(() =>
        condition(() => isFinal(command().status), waitMs, { summary: 'awaitCommand' }),
      );
    }
    return { command: command(), session: this.#record.session };
  }

  async #live(): Promise<void> {
    const settings = this.#carried?.settings ?? (await readSettings());
    const { maxDurationSeconds = MAX_DURATION_SECONDS } = this.#input;
    const endsAtMs = this.#carried?.endsAtMs ?? workflowInfo().startTime.getTime() + maxDurationSeconds * 1_000;
    void this.#endAt(endsAtMs);

    if (this.#record.session.state === 'PENDING') {
      await traces.because(START_COMMAND_ID, () => this.#makeLeg(settings));
      if (this.#isLive()) await traces.because(START_COMMAND_ID, () => this.#confirm(settings));
    }
    while (this.#isLive()) {
      if (this.#mayContinueAsNew()) {
        if (!(await isTaskOfItsOwn(this.#inbox)) || !this.#mayContinueAsNew()) continue;
        const memo = SessionMirror.successorMemo(this.#record, this.#start);
        const continueAsNew = makeContinueAsNewFunc<typeof monitoringSession>({ memo });
        await continueAsNew(this.#input, { record: this.#record, settings, endsAtMs, turn: this.#channel.turn });
      } else if (this.#modes.isDue) {
        await this.#modes.doNext(settings.bargeWaitSeconds * 1_000);
      } else {
        this.#modes.rest();
        // Bounded by `#endAt`.
        await condition(() => this.#modes.isDue || this.#mayContinueAsNew());
      }
    }
  }

  async #endAt(endsAtMs: number): Promise<void> {
    try {
      await sleep(Math.max(1, endsAtMs - Date.now()), { summary: 'maxDurationSeconds' });
      this.#end('max-duration');
    } catch (error) {
      if (!isCancellation(error)) throw error;
    }
  }

  async #makeLeg({ confirmTimeoutSeconds }: WorkflowSettings): Promise<void> {
    const { runId, startedAt } = this.#record.session;
    const self = { runId, startedAtMs: Math.min(workflowInfo().startTime.getTime(), Date.parse(startedAt)) };
    const outcome = await makeLeg(this.#input, self, confirmTimeoutSeconds * 1_000, {
      inDoubt: () => {
        log.warn('start.ambiguous', this.#logFields());
        this.#start = 'ambiguous';
        this.#publish();
      },
      failed: (failure) => this.#failed(failure),
      again: () => {
        log.warn('start.repeated', this.#logFields());
        this.#start = 'unresolved';
        this.#publish();
      },
    });
    this.#start = 'resolved';
    if (outcome.kind === 'made') {
      this.#answered();
      this.#apply({ type: 'leg.made', at: now(), ...this.#media.made(outcome) });
      this.#publish();
    } else {
      this.#legUnknown = outcome.kind === 'unknown';
      this.#end(outcome.endReason, { reason: outcome.detail });
    }
  }

  async #confirm({ confirmTimeoutSeconds }: WorkflowSettings): Promise<void> {
    let seen: Observation | undefined;
    while (seen === undefined) {
      try {
        const pending = { ...this.#leg(), told: this.#told, channel: this.#channel };
        seen = await confirmLeg(pending, confirmTimeoutSeconds * 1_000);
      } catch (error) {
        if (isCancellation(error)) throw error;
        const pending = applicationFailure(error)?.type === ('leg.pending' satisfies ActivityFailureType);
        if (pending) return this.#end('not-confirmed');
        if (unansweredSince(error) === undefined) return this.#end('platform-unreachable');
        // A leg has its time to become active only while somebody can say so. Bounded by `#endAt`.
        this.#failed(error);
        await sleep(UNANSWERED_PAUSE_MS, { summary: 'until the platform answers' });
      }
    }
    this.#answered();
    if (seen.kind !== 'active') return this.#end(endReasonOf(seen));
    const { mode, bargeStatus } = seen;
    const where = this.#media.whereActive(seen.mediaServerGroupId);
    if (where.fallbackReason !== undefined && this.#input.mediaAffinity === 'strict') {
      const reason = `the platform has put the leg into ${where.mediaServerGroupId ?? 'another group'}, not ${where.wantedGroupId ?? 'the one wanted'}`;
      return this.#end('start-failed', { reason });
    }
    this.#apply({ type: 'session.active', at: now(), mode, bargeStatus, ...where });
    this.#publish();
    // By an event alone, which may be an old one.
    if (this.#told.has(this.#leg().monitorSessionId)) this.#modes.hint();
  }

  /** Ends the session's life, for the first reason that is given. */
  #end(
    endReason: EndReason,
    by: { readonly actor?: string; readonly reason?: string; readonly commandId?: string } = {},
  ): void {
    if (!this.#isLive()) return;
    // Cut short while nobody ended it: the workflow itself was cancelled, and what followed from that is no reason.
    const reason = this.#life.consideredCancelled ? 'cancelled' : endReason;
    this.#apply({ type: 'session.ending', at: now(), endReason: reason, ...by });
  }

  /**
   * Calls off what is under way once the session ends. Not by the handler that ends it: of the messages of one task, updates
   * that were taken along in a reset come in another order at replay (SDK 1.24), and what follows must not depend on that.
   */
  async #cutShort(): Promise<void> {
    await condition(() => !this.#isLive());
    // A start that is under way, or lost, may take a while yet.
    if (this.#start !== 'resolved') this.#publish();
    this.#life.cancel();
  }

  /** Whose doing the end is: a command, or the end of the interaction. */
  get #endedBy(): string {
    return (
      this.#record.history.findLast(({ type }) => type === 'session.ending')?.commandId ?? INTERACTION_ENDED_SIGNAL
    );
  }

  async #tearDown(): Promise<void> {
    // A place in line is given up at once, the channel when the leg no longer speaks.
    const givenUp = this.#channel.fence === undefined ? this.#channel.release() : undefined;
    const leg = await this.#stopLeg();
    await givenUp;
    await this.#channel.release();
    if (this.#channel.isSending) this.#publish();
    await this.#channel.lastWord();
    this.#apply({ type: 'session.ended', at: now(), leg });
    this.#publish();
    // Every command has its outcome now, so these answer at once.
    if (!allHandlersFinished()) await condition(allHandlersFinished, '5s');
  }

  async #stopLeg(): Promise<LegAtEnd> {
    if (this.#record.session.monitorSessionId === null) return this.#legUnknown ? 'unknown' : 'none';
    const leg = this.#leg();
    try {
      return await atOnceOr(
        () => quickly.stopLeg(leg),
        (first) => {
          this.#failed(first);
          return stopLegPatiently(leg);
        },
      );
    } catch (error) {
      if (!isActivityFailure(error)) throw error;
      return 'unreachable';
    }
  }

  #leg(): { interactionId: string; monitorSessionId: string } {
    const { interactionId, monitorSessionId } = this.#record.session;
    if (monitorSessionId === null) throw new Error('a session without a leg got past its start');
    return { interactionId, monitorSessionId };
  }

  #apply(event: SessionEvent): void {
    const before = this.#record;
    this.#record = applySessionEvent(before, event);
    if (this.#record === before) return;
    this.#announce(event);
    const news = commandNews(before, this.#record, event);
    if (news === undefined) return;
    announcements.told(news);
    traces.settled(news.outcomes);
  }

  /** The platform has answered a call. */
  #answered(): void {
    this.#apply({ type: 'platform.answering', at: now() });
  }

  /** A call to the platform failed; a refusal is an answer, too. */
  #failed(failure: unknown): void {
    const since = unansweredSince(failure);
    if (since !== undefined) this.#apply({ type: 'platform.unanswering', at: now(), since });
    else if (isAnswer(failure)) this.#answered();
    this.#publish();
  }

  #announce(event: SessionEvent): void {
    const announcement = announcementOf(event, this.#record);
    if (announcement !== undefined) announcements.announce(announcement);
  }

  /** The history has grown long, all that is due can be done in another run, and nobody waits for an answer of this one. */
  #mayContinueAsNew(): boolean {
    return this.#inbox.isHistoryLong && this.#modes.canBeCarried && allHandlersFinished();
  }

  #isLive(): boolean {
    return isLive(this.#record.session);
  }

  #publish(): void {
    this.#media.published();
    this.#mirror.show(this.#record, this.#start);
  }

  #report(): SessionReport {
    const { session, commands, history } = this.#record;
    return { session, commands: [...commands], history: [...history] };
  }

  #logFields(): Record<string, unknown> {
    const { sessionId, interactionId, monitorSessionId } = this.#record.session;
    return { sessionId, interactionId, monitorSessionId };
  }
}

/** Who asked and why, for the audit trail. */
function byWhom({ actor, reason }: CommandSignal = {}): { readonly actor?: string; readonly reason?: string } {
  return { ...(actor === undefined ? {} : { actor }), ...(reason === undefined ? {} : { reason }) };
}

/** When the session was asked for, which the starter may have shown already; a worker may come to it much later. */
function startedAt(): string {
  const { memo, startTime } = workflowInfo();
  return sessionSnapshot.safeParse(memo?.[SESSION_MEMO]).data?.startedAt ?? startTime.toISOString();
}

function now(): string {
  return new Date().toISOString();
}
