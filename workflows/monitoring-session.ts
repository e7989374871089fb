import {
  ActivityFailure,
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
import type { ModeOutcome, Observation } from '../activities/leg-activities.js';
import type { WorkflowSettings } from '../activities/read-activities.js';
import { awaitCommandInput, commandSignal, isFinal, MAX_DURATION_SECONDS } from '../domain/commands.js';
import type { AwaitCommandInput, CommandAction, CommandSignal, StartSessionInput } from '../domain/commands.js';
import type { ActivityFailureType, CommandReason, WorkflowFailureType } from '../domain/errors.js';
import { describeFaults } from '../domain/input-faults.js';
import { applySessionEvent, findCommand, isLive, newSessionRecord, nextModeChange } from '../domain/session-record.js';
import type { LegAtEnd, SessionEvent, SessionRecord } from '../domain/session-record.js';
import { sessionSnapshot } from '../domain/session.js';
import type { EndReason, MonitorMode } from '../domain/session.js';
import { SESSION_MEMO } from '../domain/workflow-contract.js';
import type { CommandOutcome, SessionReport, StartProgress } from '../domain/workflow-contract.js';
import { applicationFailure, atOnceOr, mayTakeEffect } from './activity-failures.js';
import { makeLeg } from './make-leg.js';
import {
  changeModePatiently,
  confirmLegWithin,
  observeLeg,
  quickly,
  readSettings,
  stopLegPatiently,
} from './session-activities.js';
import { parsed, parseInput } from './session-input.js';
import { awaitCommandUpdate, COMMAND_SIGNALS, interactionEndedSignal, stateQuery } from './session-messages.js';
import { SessionMirror } from './session-mirror.js';

/** Of what was wrong with a signal, as much as anybody reads; the signal itself may be megabytes. */
const REFUSAL_MAX_LENGTH = 300;

/** How long after a change that nobody confirmed the leg is looked at, ms: the request may take effect late. */
const LATE_CHANGE_MS = 10_000;

/** What a session hands to its successor when its history has grown long. */
interface CarriedSession {
  readonly record: SessionRecord;
  readonly settings: WorkflowSettings;
  /** When `maxDurationSeconds` is over, ms since the epoch. */
  readonly endsAtMs: number;
}

/**
 * One monitor leg from start to end. Started under `sessionWorkflowId(interactionId, supervisorId)` by anybody, in any
 * language; ends by itself with the call, and leaves no leg behind.
 *
 * History budget (events): start and stop 34 at most, a mode change 7, an idle session none.
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
  /** All that `stop`, cancellation and the interaction's end cut short. */
  readonly #life = new CancellationScope();
  #record: SessionRecord;
  #start: StartProgress;
  /** A `start` may have made a leg that nobody can tell. */
  #legUnknown = false;
  /** The platform may go through, until then, with a change that it never confirmed; ms since the epoch. */
  #inDoubtUntilMs: number | undefined;

  constructor(input: StartSessionInput, carried: CarriedSession | undefined) {
    this.#input = input;
    this.#carried = carried;
    const { workflowId, firstExecutionRunId } = workflowInfo();
    this.#record =
      carried?.record ?? newSessionRecord(input, { sessionId: workflowId, runId: firstExecutionRunId }, startedAt());
    this.#start = carried === undefined ? 'unresolved' : 'resolved';
    this.#handleMessages();
  }

  async run(): Promise<SessionReport> {
    this.#publish();
    try {
      await this.#life.run(() => this.#live());
    } catch (error) {
      if (!isCancellation(error)) throw error;
      // Where `#end` did not cut the life short, the workflow itself was cancelled.
      this.#end('cancelled');
    }
    await CancellationScope.nonCancellable(() => this.#tearDown());
    // Temporal shows a cancelled session as such; its memo has the rest.
    if (this.#record.session.endReason === 'cancelled') throw new CancelledFailure('the session was cancelled');
    return this.#report();
  }

  // Signal handlers only write down what was asked; the one loop of `#live` does it, in order.
  #handleMessages(): void {
    for (const { signal, action, description } of COMMAND_SIGNALS) {
      setHandler(signal, (payload) => this.#accept(action, payload), { description });
    }
    setHandler(interactionEndedSignal, () => this.#end('interaction-ended'), {
      description: 'The interaction is over: end the session.',
    });
    setHandler(stateQuery, () => this.#report(), {
      description: 'The session, its commands with their outcomes, and its audit trail.',
    });
    setHandler(awaitCommandUpdate, (input) => this.#awaitCommand(input), {
      description: 'Wait for the outcome of {commandId}, at most {waitMs}.',
      validator: (input) => {
        const { commandId } = parsed(awaitCommandInput, input);
        if (findCommand(this.#record, commandId) === undefined) {
          const type: WorkflowFailureType = 'command.not.found';
          throw ApplicationFailure.nonRetryable(`this session knows no command ${commandId}`, type);
        }
      },
    });
  }

  #accept(action: CommandAction, payload: CommandSignal | undefined): void {
    const command = commandSignal.safeParse(payload ?? {});
    if (!command.success) {
      // A signal has no answer and must not fail the session: the trail says what was wrong with it.
      this.#apply({
        type: 'signal.refused',
        at: now(),
        signal: action,
        reason: describeFaults(command.error, 'payload').slice(0, REFUSAL_MAX_LENGTH),
      });
      return;
    }
    const { commandId = uuid4(), actor, reason } = command.data;
    const repeated = findCommand(this.#record, commandId) !== undefined;
    const by = { ...(actor === undefined ? {} : { actor }), ...(reason === undefined ? {} : { reason }) };
    this.#apply({ type: 'command.accepted', at: now(), commandId, action, ...by });
    if (action === 'stop' && !repeated) this.#end('stopped', { commandId, ...by });
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
      await this.#makeLeg(settings);
      if (this.#isLive()) await this.#confirm(settings);
    }
    while (this.#isLive()) {
      const command = nextModeChange(this.#record);
      if (command !== undefined) {
        await this.#changeMode(command.commandId, command.action);
      } else if (this.#inDoubtUntilMs !== undefined) {
        await this.#lookAgain(this.#inDoubtUntilMs);
      } else if (mayContinueAsNew()) {
        const memo = SessionMirror.memo(this.#record, this.#start);
        const continueAsNew = makeContinueAsNewFunc<typeof monitoringSession>({ memo });
        await continueAsNew(this.#input, { record: this.#record, settings, endsAtMs });
      } else {
        // Bounded by `#endAt`.
        await condition(() => nextModeChange(this.#record) !== undefined || mayContinueAsNew());
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
    const outcome = await makeLeg(this.#input, self, confirmTimeoutSeconds * 1_000, () => {
      log.warn('start.ambiguous', this.#logFields());
      this.#start = 'ambiguous';
      this.#publish();
    });
    this.#start = 'resolved';
    if (outcome.kind === 'made') {
      const { monitorSessionId, how } = outcome;
      this.#apply({ type: 'leg.made', at: now(), monitorSessionId, how });
      this.#publish();
    } else {
      this.#legUnknown = outcome.kind === 'unknown';
      this.#end(outcome.endReason, { reason: outcome.detail });
    }
  }

  async #confirm({ confirmTimeoutSeconds }: WorkflowSettings): Promise<void> {
    let seen: Observation;
    try {
      seen = await confirmLegWithin(confirmTimeoutSeconds)(this.#leg());
    } catch (error) {
      if (isCancellation(error)) throw error;
      const pending = applicationFailure(error)?.type === ('leg.pending' satisfies ActivityFailureType);
      return this.#end(pending ? 'not-confirmed' : 'platform-unreachable');
    }
    if (seen.kind !== 'active') return this.#endFor(seen);
    const { mode, bargeStatus, mediaServerGroupId } = seen;
    this.#apply({ type: 'session.active', at: now(), mode, bargeStatus, mediaServerGroupId });
    this.#publish();
    log.info('session.active', this.#logFields());
  }

  async #changeMode(commandId: string, mode: MonitorMode): Promise<void> {
    const leg = this.#leg();
    let outcome: ModeOutcome;
    let lost = false;
    try {
      outcome = await atOnceOr(
        () => quickly.changeMode(leg, mode),
        (first) => {
          lost = mayTakeEffect(first);
          return changeModePatiently(leg, mode);
        },
      );
    } catch (error) {
      if (isCancellation(error)) throw error;
      lost ||= mayTakeEffect(error);
      return this.#fail(commandId, reasonOfFailure(error));
    } finally {
      if (lost) this.#inDoubtUntilMs = Date.now() + LATE_CHANGE_MS;
    }
    switch (outcome.kind) {
      case 'applied':
        this.#apply({ type: 'session.mode', at: now(), mode, bargeStatus: outcome.bargeStatus, commandId });
        this.#apply({ type: 'command.settled', at: now(), commandId, status: 'applied' });
        this.#publish();
        // Changes at once follow each other within one workflow task, and a `stop` that arrives meanwhile waits for it.
        if (nextModeChange(this.#record) !== undefined) await sleep(1, { summary: 'a stop goes first' });
        return;
      case 'busy': {
        const { conflictingMonitorSessionId } = outcome;
        const reason: CommandReason = 'barge.conflict';
        this.#apply({ type: 'session.observed', at: now(), bargeStatus: 'active' });
        this.#apply({
          type: 'command.settled',
          at: now(),
          commandId,
          status: 'rejected',
          reason,
          conflictingMonitorSessionId,
        });
        this.#publish();
        return;
      }
      case 'refused':
        return this.#fail(commandId, outcome.reason);
      case 'leg-lost':
      case 'interaction-ended':
        return this.#end(outcome.kind);
    }
  }

  /** After a change that nobody confirmed: what is shown is what the platform says (rule 10), once it can no longer change. */
  async #lookAgain(notBeforeMs: number): Promise<void> {
    const look = new CancellationScope();
    const newer = condition(() => nextModeChange(this.#record) !== undefined).then(() => undefined);
    try {
      const seen = await Promise.race([
        look.run(async () => {
          await sleep(Math.max(1, notBeforeMs - Date.now()), {
            summary: 'until an unconfirmed change has taken effect',
          });
          return observeLeg(this.#leg());
        }),
        newer,
      ]);
      look.cancel();
      if (seen === undefined) return;
      this.#inDoubtUntilMs = undefined;
      if (seen.kind !== 'active') return this.#endFor(seen);
      this.#apply({ type: 'session.mode', at: now(), mode: seen.mode, bargeStatus: seen.bargeStatus });
      this.#publish();
    } catch (error) {
      if (isCancellation(error)) throw error;
      this.#end('platform-unreachable');
    }
  }

  /** The platform says that the leg is none, or none any more. */
  #endFor(seen: Exclude<Observation, { kind: 'active' }>): void {
    this.#end(seen.kind === 'failed' ? 'not-confirmed' : seen.kind);
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
    this.#life.cancel();
    // A start that is under way, or lost, may take a while yet.
    if (this.#start !== 'resolved') this.#publish();
  }

  async #tearDown(): Promise<void> {
    const leg = await this.#stopLeg();
    this.#apply({ type: 'session.ended', at: now(), leg });
    this.#publish();
    log.info('session.ended', { ...this.#logFields(), endReason: this.#record.session.endReason, leg });
    // Every command has its outcome now, so these answer at once.
    if (!allHandlersFinished()) await condition(allHandlersFinished, '5s');
  }

  async #stopLeg(): Promise<LegAtEnd> {
    if (this.#record.session.monitorSessionId === null) return this.#legUnknown ? 'unknown' : 'none';
    const leg = this.#leg();
    try {
      return await atOnceOr(
        () => quickly.stopLeg(leg),
        () => {
          this.#publish();
          return stopLegPatiently(leg);
        },
      );
    } catch (error) {
      if (!(error instanceof ActivityFailure)) throw error;
      return 'unreachable';
    }
  }

  #fail(commandId: string, reason: CommandReason): void {
    this.#apply({ type: 'command.settled', at: now(), commandId, status: 'failed', reason });
    this.#publish();
  }

  #leg(): { interactionId: string; monitorSessionId: string } {
    const { interactionId, monitorSessionId } = this.#record.session;
    if (monitorSessionId === null) throw new Error('a session without a leg got past its start');
    return { interactionId, monitorSessionId };
  }

  #apply(event: SessionEvent): void {
    this.#record = applySessionEvent(this.#record, event);
  }

  #isLive(): boolean {
    return isLive(this.#record.session);
  }

  #publish(): void {
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

/** The history has grown long, and nobody waits for an answer of this run. */
function mayContinueAsNew(): boolean {
  return workflowInfo().continueAsNewSuggested && allHandlersFinished();
}

/** Why a mode change came to nothing for as long as it was tried. */
function reasonOfFailure(error: unknown): CommandReason {
  const types: Readonly<Partial<Record<ActivityFailureType, CommandReason>>> = {
    'platform.not-ready': 'not-ready',
    'platform.throttled': 'throttled',
  };
  return (
    Object.entries(types).find(([type]) => type === applicationFailure(error)?.type)?.[1] ?? 'platform-unreachable'
  );
}

/** When the session was asked for, which the starter may have shown already; a worker may come to it much later. */
function startedAt(): string {
  const { memo, startTime } = workflowInfo();
  return sessionSnapshot.safeParse(memo?.[SESSION_MEMO]).data?.startedAt ?? startTime.toISOString();
}

function now(): string {
  return new Date().toISOString();
}
