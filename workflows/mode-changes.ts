import { CancellationScope, condition, isCancellation, log, sleep } from '@temporalio/workflow';
import type { ModeOutcome, Observation } from '../activities/leg-activities.js';
import type { ActivityFailureType, CommandReason } from '../domain/errors.js';
import { laterModeChange, nextModeChange } from '../domain/session-record.js';
import type { ModeChange, SessionEvent, SessionRecord } from '../domain/session-record.js';
import { isExclusive } from '../domain/session.js';
import type { EndReason } from '../domain/session.js';
import { applicationFailure, atOnceOr, mayTakeEffect } from './activity-failures.js';
import { Alarm } from './alarm.js';
import type { ExclusiveChannel } from './exclusive-channel.js';
import {
  changeModePatiently,
  confirmChannelFreeWithin,
  findContenderWithin,
  observeLeg,
  quickly,
  silencePatiently,
} from './session-activities.js';

/** How long after a change that nobody confirmed the leg is looked at, ms: the request may take effect late. */
const LATE_CHANGE_MS = 10_000;

/** The same for a silence that was called off: an attempt of it may last 20 s, ms. */
const LATE_SILENCE_MS = 30_000;

/** Between two conflicts about the channel of which the second should not have been, ms. */
const CONFLICT_PAUSE_MS = 500;

/** How long a newer command waits for the first word on a place in line, which comes at once where the mutex is well, ms. */
const FIRST_WORD_MS = 1_000;

/** What mode changes need of their session. */
export interface LiveSession {
  record(): SessionRecord;
  leg(): { readonly interactionId: string; readonly monitorSessionId: string };
  apply(event: SessionEvent): void;
  /** Shows the session as it is now to everybody outside. */
  publish(): void;
  end(endReason: EndReason): void;
}

/**
 * Carries out a session's barge, whisper and silent, one after the other, and takes turns with the other sessions of the
 * interaction on the exclusive channel (docs/decisions/0007-exclusive-channel.md). Two things hold whenever it rests:
 * a leg that speaks has the channel, and a session whose leg does not speak has none.
 */
export class ModeChanges {
  readonly #session: LiveSession;
  readonly #channel: ExclusiveChannel;
  /** The platform may go through, until then, with a change that it never confirmed; ms since the epoch. */
  #inDoubtUntilMs: number | undefined;
  /** A barge or whisper came to nothing, as its caller was told, and yet the leg may speak. */
  #mayStillSpeak = false;
  /** Something about the interaction's legs has changed. */
  #hinted = false;
  /** Rings when the mutex should have said something by now. */
  readonly #patience = new Alarm();
  /** A change has been made, and the session has not come to rest since. */
  #isInARow = false;

  constructor(session: LiveSession, channel: ExclusiveChannel) {
    this.#session = session;
    this.#channel = channel;
  }

  /** Has the leg looked at, soon. */
  hint(): void {
    this.#hinted = true;
  }

  /** Nothing is due, for now. */
  rest(): void {
    this.#isInARow = false;
  }

  /** Whether there is anything to do. */
  get isDue(): boolean {
    return (
      nextModeChange(this.#session.record()) !== undefined ||
      this.#hinted ||
      this.#inDoubtUntilMs !== undefined ||
      this.#mustFallSilent ||
      this.#holdsInVain
    );
  }

  /** Does the next thing that is due. @param waitMs the longest wait for the channel */
  async doNext(waitMs: number): Promise<void> {
    const command = nextModeChange(this.#session.record());
    const speaksNext = command !== undefined && isExclusive(command.action);
    if (this.#mustFallSilent && (command === undefined || (speaksNext && !this.#isGranted))) {
      await this.#fallSilent();
    } else if (this.#holdsInVain && !this.#mayStillSpeak && !speaksNext) {
      // A grant that the session does not know of may have been used before it was reset: its leg is looked at first.
      if (this.#channel.hasStrayGrant) await this.#lookAt(Date.now());
      if (!this.#speaks) await this.#channel.release();
    } else if (command !== undefined) {
      await (speaksNext ? this.#speak(command, waitMs) : this.#change(command));
    } else if (this.#hinted) {
      this.#hinted = false;
      await this.#lookAt(Date.now());
    } else if (this.#inDoubtUntilMs !== undefined) {
      await this.#lookAt(this.#inDoubtUntilMs);
    }
  }

  get #isGranted(): boolean {
    return this.#channel.fence !== undefined;
  }

  get #speaks(): boolean {
    const { state } = this.#session.record().session;
    return state === 'BARGE' || state === 'WHISPER';
  }

  get #mustFallSilent(): boolean {
    return this.#mayStillSpeak || (this.#speaks && !this.#isGranted);
  }

  get #holdsInVain(): boolean {
    return this.#channel.hasStrayGrant || (this.#channel.isWanted && !this.#speaks);
  }

  /** A barge or whisper, when its turn has come and for as long as its wait lasts. */
  async #speak(command: ModeChange, waitMs: number): Promise<void> {
    if (!(await this.#myTurn(command, waitMs))) return;
    for (let round = 1; ; round += 1) {
      const conflict = await this.#change(command);
      if (conflict === undefined) return;
      // A platform that calls the channel free and refuses it all the same is not to be asked without a pause.
      const pauseMs = round === 1 ? 0 : CONFLICT_PAUSE_MS;
      if (!(await this.#channelFrees(command, conflict, waitMs, pauseMs))) return;
    }
  }

  /** Waits in line; whether the channel is this session's. If not, the command has its outcome. */
  async #myTurn(command: ModeChange, waitMs: number): Promise<boolean> {
    const { commandId } = command;
    // A newer command takes over the place, or the channel, that an earlier one has.
    if (!this.#channel.isWanted) await this.#channel.request(this.#session.leg().monitorSessionId, waitMs);
    while (!this.#isGranted) {
      this.#channel.takeNews();
      if (this.#channel.isExpired) return this.#expire(command);
      if (await this.#isWaitingInVain(command)) return false;
      if (this.#showPlace(command) || this.#hinted) await this.#lookOnce();
      // Who waits must not speak: it would keep the channel from whose turn it is.
      if (this.#mustFallSilent) await this.#fallSilent(() => this.#channel.hasNews || this.#patience.hasRung);
      // One timer for the whole wait, however often the session moves up.
      this.#patience.setFor(this.#channel.hearsUntilMs);
      this.rest();
      await condition(
        () => this.#channel.hasNews || this.#hinted || this.#newerThan(command) || this.#patience.hasRung,
      );
      if (this.#patience.takeRing() && Date.now() >= this.#channel.hearsUntilMs) return this.#expire(command);
    }
    this.#patience.stop();
    const { fence } = this.#channel;
    if (fence !== undefined && !this.#speaks) {
      this.#session.apply({ type: 'session.granted', at: now(), commandId, fence });
    }
    return true;
  }

  /** Whether a newer command has gone first. Changes sent in a row are carried out one by one where nobody has to wait. */
  async #isWaitingInVain(command: ModeChange): Promise<boolean> {
    if (!this.#newerThan(command)) return false;
    const hasWord = (): boolean => this.#isGranted || this.#channel.place !== undefined || this.#channel.isExpired;
    if (!hasWord()) await condition(hasWord, FIRST_WORD_MS, { summary: 'first word on the place in line' });
    return !this.#isGranted && (await this.#overtaken(command));
  }

  /** Shows where in line the command is; whether it has only just got there. */
  #showPlace({ commandId }: ModeChange): boolean {
    const { place } = this.#channel;
    if (place === undefined) return false;
    const { position } = place;
    const isNew = this.#session.record().session.waiting === null;
    const expiresAt = new Date(place.expiresAtMs).toISOString();
    if (isNew) this.#session.apply({ type: 'session.queued', at: now(), commandId, position, expiresAt });
    else this.#session.apply({ type: 'session.moved', at: now(), commandId, position });
    this.#session.publish();
    return isNew;
  }

  /** Who waits is shown whether anybody speaks, as the platform has it. One look: it is not worth a second. */
  async #lookOnce(): Promise<void> {
    this.#hinted = false;
    try {
      this.#show(await quickly.observeLeg(this.#session.leg()));
    } catch (error) {
      if (isCancellation(error)) throw error;
    }
  }

  #newerThan({ commandId }: ModeChange): boolean {
    return laterModeChange(this.#session.record(), commandId) !== undefined;
  }

  /** Lets a newer command go first. A barge or whisper takes over the place in line; `silent` leaves it. */
  async #overtaken({ commandId }: ModeChange): Promise<boolean> {
    const newer = laterModeChange(this.#session.record(), commandId);
    if (newer === undefined) return false;
    if (isExclusive(newer.action)) {
      this.#session.apply({ type: 'session.superseded', at: now(), commandId, supersededBy: newer.commandId });
    } else {
      const reason: CommandReason = 'silent';
      this.#session.apply({ type: 'command.settled', at: now(), commandId, status: 'cancelled', reason });
      this.#patience.stop();
      if (!this.#isGranted) await this.#channel.release();
    }
    this.#session.publish();
    return true;
  }

  async #expire({ commandId }: ModeChange): Promise<false> {
    this.#session.apply({ type: 'session.expired', at: now(), commandId });
    this.#session.publish();
    this.#patience.stop();
    // The leg may speak only where it was granted the channel and a try was lost; then it is silenced first.
    await (this.#isGranted && this.#mayStillSpeak ? this.#channel.endWait() : this.#channel.release());
    return false;
  }

  /**
   * Keeps the head of the line while another leg has the channel on the platform. Whether to try again; if not, the
   * command has its outcome.
   */
  async #channelFrees(
    command: ModeChange,
    conflictingMonitorSessionId: string,
    waitMs: number,
    pauseMs: number,
  ): Promise<boolean> {
    const { commandId } = command;
    const untilMs = this.#channel.blockedUntilMs(waitMs);
    if (await this.#overtaken(command)) return false;
    if (Date.now() >= untilMs) return this.#expire(command);
    const expiresAt = new Date(untilMs).toISOString();
    const conflict = { position: 1, expiresAt, conflictingMonitorSessionId };
    this.#session.apply({ type: 'session.observed', at: now(), bargeStatus: 'active' });
    this.#session.apply({ type: 'session.queued', at: now(), commandId, ...conflict });
    this.#session.publish();
    await this.#channel.reportBlocked(true);

    this.#hinted = false;
    const seen = await unless(
      () => this.#hinted || this.#newerThan(command),
      async () => {
        if (pauseMs > 0) await sleep(pauseMs, { summary: 'before the channel is tried again' });
        return this.#untilFree(conflictingMonitorSessionId, untilMs);
      },
    );
    this.#hinted = false;
    if (await this.#overtaken(command)) return false;
    if (seen === undefined || seen.kind === 'active') return Date.now() < untilMs || this.#expire(command);
    this.#show(seen);
    return false;
  }

  /** `undefined`: the time is over, or nobody can tell. */
  async #untilFree(monitorSessionId: string, untilMs: number): Promise<Observation | undefined> {
    const leg = this.#session.leg();
    try {
      const contender = await findContenderWithin(untilMs - Date.now())({ ...leg, monitorSessionId });
      log.info('channel.contended', { ...leg, conflictingMonitorSessionId: monitorSessionId, contender });
      return await confirmChannelFreeWithin(Math.max(1, untilMs - Date.now()))(leg);
    } catch (error) {
      if (isCancellation(error)) throw error;
      return undefined;
    }
  }

  /** Carries out one change. The leg that has the channel, if the platform refuses it for that; then there is no outcome. */
  async #change({ commandId, action: mode }: ModeChange): Promise<string | undefined> {
    const leg = this.#session.leg();
    const isFirst = !this.#isInARow;
    this.#isInARow = true;
    let outcome: ModeOutcome;
    let lost = false;
    try {
      // A change at once lasts within the workflow task, and a `stop` has to wait for that: it shall wait for one change,
      // not for a row of them. The next one goes through the task queue, which ends the task.
      outcome = await (isFirst
        ? atOnceOr(
            () => quickly.changeMode(leg, mode),
            (first) => {
              lost = mayTakeEffect(first);
              return changeModePatiently(leg, mode);
            },
          )
        : changeModePatiently(leg, mode));
    } catch (error) {
      if (isCancellation(error)) throw error;
      // The last of several tries says nothing about those before it.
      lost = true;
      this.#mayStillSpeak ||= isExclusive(mode) && !this.#speaks;
      await this.#settle(commandId, 'failed', reasonOfFailure(error));
      return undefined;
    } finally {
      if (lost) this.#inDoubtUntilMs = Date.now() + LATE_CHANGE_MS;
    }
    if (outcome.kind === 'applied' && outcome.afterRetry) this.#inDoubtUntilMs = Date.now() + LATE_CHANGE_MS;
    switch (outcome.kind) {
      case 'applied':
        this.#mayStillSpeak = false;
        this.#session.apply({ type: 'session.mode', at: now(), mode, bargeStatus: outcome.bargeStatus, commandId });
        this.#session.apply({ type: 'command.settled', at: now(), commandId, status: 'applied' });
        this.#session.publish();
        await (isExclusive(mode) ? this.#channel.endWait() : this.#channel.release());
        return undefined;
      case 'busy':
        this.#mayStillSpeak ||= this.#inDoubtUntilMs !== undefined && isExclusive(mode) && !this.#speaks;
        return outcome.conflictingMonitorSessionId;
      case 'refused':
        await this.#settle(commandId, 'rejected', outcome.reason);
        return undefined;
      case 'leg-lost':
      case 'interaction-ended':
        this.#session.end(outcome.kind);
        return undefined;
    }
  }

  async #settle(commandId: string, status: 'rejected' | 'failed', reason: CommandReason): Promise<void> {
    this.#session.apply({ type: 'command.settled', at: now(), commandId, status, reason });
    this.#session.publish();
    await this.#channel.endWait();
  }

  /** Nobody wants the leg to speak, or it has no right to. A newer command goes first: it may want just that. */
  async #fallSilent(isBetter = (): boolean => false): Promise<void> {
    const leg = this.#session.leg();
    const last = this.#session.record().commands.at(-1)?.commandId;
    let outcome: ModeOutcome | undefined;
    try {
      outcome = await unless(
        () => isBetter() || this.#session.record().commands.at(-1)?.commandId !== last,
        () =>
          atOnceOr(
            () => quickly.changeMode(leg, 'silent'),
            (first) => {
              if (mayTakeEffect(first)) this.#inDoubtUntilMs = Date.now() + LATE_CHANGE_MS;
              return silencePatiently(leg, 'silent');
            },
          ),
      );
    } catch (error) {
      if (isCancellation(error)) throw error;
      return this.#session.end('platform-unreachable');
    }
    // Called off or tried again, it may be under way still.
    if (outcome === undefined || (outcome.kind === 'applied' && outcome.afterRetry)) {
      this.#inDoubtUntilMs = Date.now() + LATE_SILENCE_MS;
    }
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

  /**
   * Shows what the platform says of the leg (rule 10), and not before a change in doubt can no longer take effect. A
   * newer command goes first.
   */
  async #lookAt(timeMs: number): Promise<void> {
    try {
      const seen = await unless(
        () => nextModeChange(this.#session.record()) !== undefined,
        async () => {
          if (timeMs > Date.now()) {
            await sleep(timeMs - Date.now(), { summary: 'until an unconfirmed change has taken effect' });
          }
          return atOnceOr(
            () => quickly.observeLeg(this.#session.leg()),
            () => observeLeg(this.#session.leg()),
          );
        },
      );
      if (seen === undefined) return;
      if (timeMs === this.#inDoubtUntilMs) this.#inDoubtUntilMs = undefined;
      this.#show(seen);
    } catch (error) {
      if (isCancellation(error)) throw error;
      this.#session.end('platform-unreachable');
    }
  }

  #show(seen: Observation): void {
    if (seen.kind !== 'active') return this.#session.end(endReasonOf(seen));
    this.#session.apply({ type: 'session.mode', at: now(), mode: seen.mode, bargeStatus: seen.bargeStatus });
    this.#session.publish();
  }
}

/** Why a session ends whose leg is none, or none any more, as the platform says. */
export function endReasonOf(seen: Exclude<Observation, { kind: 'active' }>): EndReason {
  return seen.kind === 'failed' ? 'not-confirmed' : seen.kind;
}

/** Works until it is done, or until there is something better to do: then `undefined`, and the work is called off. */
async function unless<T>(isBetter: () => boolean, work: () => Promise<T>): Promise<T | undefined> {
  const scope = new CancellationScope();
  try {
    return await scope.run(() => Promise.race([work(), condition(isBetter).then(() => undefined)]));
  } finally {
    scope.cancel();
  }
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
