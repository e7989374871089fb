import { isCancellation, sleep } from '@temporalio/workflow';
import type { ModeOutcome, Observation } from '../activities/leg-activities.js';
import type { ActivityFailureType, CommandReason } from '../domain/errors.js';
import type { SessionEvent } from '../domain/audit-entry.js';
import type { ModeChange, SessionRecord } from '../domain/session-record.js';
import { isExclusive, stateOfMode } from '../domain/session.js';
import type { EndReason, MonitorMode } from '../domain/session.js';
import { applicationFailure, atOnceOr, mayTakeEffect } from './activity-failures.js';
import { changeModeWithin, observeLeg, quickly, silencePatiently } from './session-activities.js';
import { unless } from './unless.js';

/** How long after a change that nobody confirmed the leg is looked at, ms: the request may take effect late. */
const LATE_CHANGE_MS = 10_000;

/** The same for one that was called off: an attempt may last 20 s, ms. */
const LATE_ATTEMPT_MS = 30_000;

/** Between two tries of a change, ms (`changeModeWithin`). */
const LONGEST_RETRY_PAUSE_MS = 3_000;

/** What changes of the leg's mode need of their session. */
export interface LiveSession {
  record(): SessionRecord;
  leg(): { readonly interactionId: string; readonly monitorSessionId: string };
  apply(event: SessionEvent): void;
  /** Shows the session as it is now to everybody outside. */
  publish(): void;
  end(endReason: EndReason): void;
  /** The platform has answered a call. */
  answered(): void;
  /** A call to the platform failed; shows the session as it is now. */
  failed(failure: unknown): void;
}

/** What came of a change. */
export type ChangeResult =
  /** The command has its outcome, or the session is over. */
  | { readonly kind: 'applied' | 'settled' | 'ended' }
  /** It has none yet: the platform lets another leg speak, the command was called off, or its time was over. */
  | { readonly kind: 'busy'; readonly conflictingMonitorSessionId: string }
  | { readonly kind: 'called-off' | 'too-late' };

/** What cuts a change short. */
export interface ChangeLimits {
  /** When the command expires, ms since the epoch. */
  readonly untilMs?: number | undefined;
  /** Whether there is something better to do. */
  readonly isBetter?: () => boolean;
}

/** How long a change is tried, ms: as long as a supervisor may still want it. */
const CHANGE_LIMIT_MS = 30_000;

/**
 * A session's hand on its leg: changes its mode, looks at it, and remembers what the platform may do with it yet. Whether
 * the session may speak is not asked here, see `mode-changes.ts`.
 */
export class LegModes {
  readonly #session: LiveSession;
  /** The platform may go through, until then, with a change that it never confirmed; ms since the epoch. */
  #inDoubtUntilMs: number | undefined;
  /** A barge or whisper came to nothing, as its caller was told, and yet the leg may speak. */
  #mayStillSpeak = false;
  /** A change has been made, and the session has not come to rest since. */
  #isInARow = false;

  constructor(session: LiveSession) {
    this.#session = session;
  }

  get inDoubtUntilMs(): number | undefined {
    return this.#inDoubtUntilMs;
  }

  get mayStillSpeak(): boolean {
    return this.#mayStillSpeak;
  }

  get speaks(): boolean {
    const { state } = this.#session.record().session;
    return state === 'BARGE' || state === 'WHISPER';
  }

  /** Nothing is due, for now. */
  rest(): void {
    this.#isInARow = false;
  }

  /** Carries out one change. */
  async change(
    { commandId, action: mode }: ModeChange,
    { untilMs = Number.POSITIVE_INFINITY, isBetter = () => false }: ChangeLimits = {},
  ): Promise<ChangeResult> {
    const leg = this.#session.leg();
    const isConfirmed = this.#isConfirmed(mode);
    const isFirst = !this.#isInARow;
    this.#isInARow = true;
    const giveUpAtMs = Math.min(untilMs, Date.now() + CHANGE_LIMIT_MS);
    const patiently = (failure?: unknown): Promise<ModeOutcome> => {
      if (failure === undefined) this.#session.publish();
      else this.#session.failed(failure);
      return changeModeWithin(giveUpAtMs - Date.now())(leg, mode, isConfirmed);
    };
    let outcome: ModeOutcome | undefined;
    const first = { mayComeLate: false };
    try {
      // A change at once lasts within the workflow task, and a `stop` has to wait for that: it shall wait for one change,
      // not for a row of them. The next one goes through the task queue, which ends the task.
      outcome = await unless(isBetter, () =>
        isFirst
          ? atOnceOr(
              () => quickly.changeMode(leg, mode, isConfirmed),
              (failure) => {
                first.mayComeLate = mayTakeEffect(failure);
                return patiently(failure);
              },
              giveUpAtMs,
            )
          : patiently(),
      );
    } catch (error) {
      if (isCancellation(error)) throw error;
      // The last of several tries says nothing about those before it.
      this.#mayComeLate(mode, LATE_CHANGE_MS);
      // Within a pause between two tries, its time is as good as over; but who is told to wait for longer knows why.
      const isTooLate = giveUpAtMs === untilMs && Date.now() >= untilMs - LONGEST_RETRY_PAUSE_MS;
      return isTooLate ? { kind: 'too-late' } : this.#settle(commandId, 'failed', reasonOfFailure(error));
    }
    if (outcome === undefined) {
      this.#mayComeLate(mode, LATE_ATTEMPT_MS);
      return { kind: 'called-off' };
    }
    if (first.mayComeLate || outcome.afterRetry) this.#mayComeLate(mode, LATE_CHANGE_MS);
    this.#session.answered();
    switch (outcome.kind) {
      case 'applied':
        this.#mayStillSpeak = false;
        this.#session.apply({ type: 'session.mode', at: now(), mode, bargeStatus: outcome.bargeStatus, commandId });
        this.#session.apply({ type: 'command.settled', at: now(), commandId, status: 'applied' });
        this.#session.publish();
        return { kind: 'applied' };
      case 'busy':
        this.#session.apply({ type: 'session.mode', at: now(), mode: outcome.mode, bargeStatus: 'active' });
        return { kind: 'busy', conflictingMonitorSessionId: outcome.conflictingMonitorSessionId };
      case 'refused':
        return this.#settle(commandId, 'rejected', outcome.reason);
      case 'leg-lost':
      case 'interaction-ended':
        this.#session.end(outcome.kind);
        return { kind: 'ended' };
    }
  }

  #settle(commandId: string, status: 'rejected' | 'failed', reason: CommandReason): ChangeResult {
    this.#session.apply({ type: 'command.settled', at: now(), commandId, status, reason });
    this.#session.publish();
    return { kind: 'settled' };
  }

  /** A change that nobody confirmed may come yet: the leg is looked at then. */
  #mayComeLate(mode: MonitorMode, withinMs: number): void {
    this.#inDoubtUntilMs = Math.max(this.#inDoubtUntilMs ?? 0, Date.now() + withinMs);
    this.#mayStillSpeak ||= isExclusive(mode) && !this.speaks;
  }

  /** The platform has confirmed the mode that the session shows, and has been asked for none since. */
  #isConfirmed(mode: MonitorMode): boolean {
    const isInDoubt = this.#inDoubtUntilMs !== undefined || this.#mayStillSpeak;
    return !isInDoubt && this.#session.record().session.state === stateOfMode(mode);
  }

  /** Nobody wants the leg to speak, or it has no right to. A newer command goes first: it may want just that. */
  async fallSilent(isBetter = (): boolean => false): Promise<void> {
    const leg = this.#session.leg();
    const last = this.#session.record().commands.at(-1)?.commandId;
    let outcome: ModeOutcome | undefined;
    try {
      outcome = await unless(
        () => isBetter() || this.#session.record().commands.at(-1)?.commandId !== last,
        () =>
          atOnceOr(
            () => quickly.changeMode(leg, 'silent', false),
            (first) => {
              if (mayTakeEffect(first)) this.#mayComeLate('silent', LATE_CHANGE_MS);
              this.#session.failed(first);
              return silencePatiently(leg, 'silent', false);
            },
          ),
      );
    } catch (error) {
      if (isCancellation(error)) throw error;
      return this.#session.end('platform-unreachable');
    }
    // Called off or tried again, it may be under way still.
    if (outcome === undefined || outcome.afterRetry) this.#mayComeLate('silent', LATE_ATTEMPT_MS);
    if (outcome !== undefined) this.#session.answered();
    switch (outcome?.kind) {
      case undefined:
      case 'busy': // `silent` contends for nothing
        return;
      case 'applied':
        this.#mayStillSpeak = false;
        this.#session.apply({ type: 'session.mode', at: now(), mode: 'silent', bargeStatus: outcome.bargeStatus });
        return this.#session.publish();
      case 'refused':
        return this.#session.end(outcome.reason === 'forbidden' ? 'forbidden' : 'platform-unreachable');
      case 'leg-lost':
      case 'interaction-ended':
        return this.#session.end(outcome.kind);
    }
  }

  /** Shows what the platform says of the leg (rule 10), at a given time. Whether it was called off. */
  async lookAt(timeMs: number, isBetter: () => boolean): Promise<boolean> {
    try {
      const seen = await unless(isBetter, async () => {
        if (timeMs > Date.now()) {
          await sleep(timeMs - Date.now(), { summary: 'until an unconfirmed change has taken effect' });
        }
        return atOnceOr(
          () => quickly.observeLeg(this.#session.leg()),
          (first) => {
            this.#session.failed(first);
            return observeLeg(this.#session.leg());
          },
        );
      });
      if (seen === undefined) return true;
      if (timeMs === this.#inDoubtUntilMs) this.#inDoubtUntilMs = undefined;
      this.show(seen);
    } catch (error) {
      if (isCancellation(error)) throw error;
      this.#session.end('platform-unreachable');
    }
    return false;
  }

  /** Shows what the platform says of the leg, if it says so at once; whether it did. */
  async lookOnce(): Promise<boolean> {
    try {
      this.show(await quickly.observeLeg(this.#session.leg()));
      return true;
    } catch (error) {
      if (isCancellation(error)) throw error;
      return false;
    }
  }

  /** Takes over what the platform says of the leg. */
  show(seen: Observation): void {
    this.#session.answered();
    if (seen.kind !== 'active') return this.#session.end(endReasonOf(seen));
    this.#session.apply({ type: 'session.mode', at: now(), mode: seen.mode, bargeStatus: seen.bargeStatus });
    this.#session.publish();
  }
}

/** Why a session ends whose leg is none, or none any more, as the platform says. */
export function endReasonOf(seen: Exclude<Observation, { kind: 'active' }>): EndReason {
  return seen.kind === 'failed' ? 'not-confirmed' : seen.kind;
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

function now(): string {
  return new Date().toISOString();
}
