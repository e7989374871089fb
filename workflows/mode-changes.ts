import { condition, isCancellation, log, sleep } from '@temporalio/workflow';
import type { Observation } from '../activities/leg-activities.js';
import type { CommandReason } from '../domain/errors.js';
import { laterModeChange, nextModeChange } from '../domain/session-record.js';
import type { ModeChange } from '../domain/session-record.js';
import { isExclusive } from '../domain/session.js';
import { Alarm } from './alarm.js';
import type { ExclusiveChannel } from './exclusive-channel.js';
import { LegModes } from './leg-modes.js';
import type { ChangeLimits, ChangeResult, LiveSession } from './leg-modes.js';
import { confirmChannelFreeWithin, findContenderWithin } from './session-activities.js';
import { traces } from './trace-hook.js';
import { unless } from './unless.js';

/** A look that is not answered at once is repeated so often before a leg is taken for one that does not speak. */
const LOOKS_AT_ITSELF = 3;

/** Between two conflicts about the channel of which the second should not have been, ms; twice as long each time. */
const CONFLICT_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 4_000;

/** How long a newer command waits for the first word on a place in line, which comes at once where the mutex is well, ms. */
const FIRST_WORD_MS = 1_000;

/**
 * Carries out a session's barge, whisper and silent, one after the other, and takes turns with the other sessions of the
 * interaction on the exclusive channel (docs/decisions/0007-exclusive-channel.md). Two things hold whenever it rests:
 * a leg that speaks has the channel, and a session whose leg does not speak has none.
 */
export class ModeChanges {
  readonly #session: LiveSession;
  readonly #channel: ExclusiveChannel;
  readonly #leg: LegModes;
  /** Something about the interaction's legs has changed. */
  #hinted = false;
  /** Rings when the mutex should have said something by now. */
  readonly #patience = new Alarm();

  constructor(session: LiveSession, channel: ExclusiveChannel) {
    this.#session = session;
    this.#channel = channel;
    this.#leg = new LegModes(session);
  }

  /** Has the leg looked at, soon. */
  hint(): void {
    this.#hinted = true;
  }

  /** Nothing is due, for now. */
  rest(): void {
    this.#leg.rest();
  }

  /** Whether there is anything to do. */
  get isDue(): boolean {
    return (
      nextModeChange(this.#session.record()) !== undefined ||
      this.#hinted ||
      this.#leg.inDoubtUntilMs !== undefined ||
      this.#mustFallSilent ||
      this.#holdsInVain
    );
  }

  /** Does the next thing that is due. @param waitMs the longest wait for the channel */
  async doNext(waitMs: number): Promise<void> {
    const command = nextModeChange(this.#session.record());
    if (command !== undefined) {
      await traces.because(command.commandId, () =>
        isExclusive(command.action) ? this.#speak(command, waitMs) : this.#change(command),
      );
    } else if (this.#mustFallSilent) {
      await this.#leg.fallSilent();
    } else if (this.#holdsInVain) {
      await this.#giveBack();
    } else if (this.#hinted) {
      this.#hinted = false;
      await this.#leg.lookAt(Date.now(), this.#isCommanded);
    } else if (this.#leg.inDoubtUntilMs !== undefined) {
      const isBetter = (): boolean => this.#isCommanded() || this.#hinted || this.#channel.hasStrayGrant;
      await this.#leg.lookAt(this.#leg.inDoubtUntilMs, isBetter);
    }
  }

  /** Whether all that is due can be left to the session's next run. */
  get canBeCarried(): boolean {
    return (
      !this.#hinted &&
      this.#leg.inDoubtUntilMs === undefined &&
      !this.#leg.mayStillSpeak &&
      !this.#channel.hasStrayGrant &&
      !this.#channel.isSending
    );
  }

  readonly #isCommanded = (): boolean => nextModeChange(this.#session.record()) !== undefined;

  /** The leg does not speak, and has a channel or a place in line all the same. */
  async #giveBack(): Promise<void> {
    // A grant that the session does not know of may have been used before it was reset: its leg is looked at first.
    if (this.#channel.hasStrayGrant && (await this.#leg.lookAt(Date.now(), this.#isCommanded))) return;
    if (!this.#leg.speaks) await this.#channel.release();
  }

  get #isGranted(): boolean {
    return this.#channel.fence !== undefined;
  }

  get #mustFallSilent(): boolean {
    return this.#leg.mayStillSpeak || (this.#leg.speaks && !this.#isGranted);
  }

  get #holdsInVain(): boolean {
    return this.#channel.hasStrayGrant || (this.#channel.isWanted && !this.#leg.speaks);
  }

  /** A barge or whisper, when its turn has come and for as long as its wait lasts. */
  async #speak(command: ModeChange, waitMs: number): Promise<void> {
    if (!(await this.#myTurn(command, waitMs))) return;
    for (let round = 0; ; round += 1) {
      const untilMs = this.#channel.waitEndsMs;
      const isBetter = (): boolean => untilMs !== undefined && this.#newerThan(command);
      if (isBetter() && (await this.#overtaken(command))) return;
      const result = await this.#change(command, { untilMs, isBetter });
      if (result.kind === 'called-off') await this.#overtaken(command);
      if (result.kind === 'too-late') await this.#expire(command);
      if (result.kind !== 'busy') return;
      // A platform that calls the channel free and refuses it all the same is asked less and less often.
      const pauseMs = round === 0 ? 0 : Math.min(CONFLICT_PAUSE_MS * 2 ** (round - 1), LONGEST_PAUSE_MS);
      if (!(await this.#channelFrees(command, result.conflictingMonitorSessionId, waitMs, pauseMs))) return;
    }
  }

  async #change(command: ModeChange, limits: ChangeLimits = {}): Promise<ChangeResult> {
    const result = await this.#leg.change(command, limits);
    if (result.kind === 'settled' || (result.kind === 'applied' && isExclusive(command.action))) {
      await this.#channel.endWait();
    } else if (result.kind === 'applied') {
      await this.#channel.release();
    }
    return result;
  }

  /** Waits in line; whether the channel is this session's. If not, the command has its outcome. */
  async #myTurn(command: ModeChange, waitMs: number): Promise<boolean> {
    const { commandId } = command;
    const isHolder = this.#leg.speaks;
    while (!this.#isGranted) {
      // A newer command takes over the place, or the channel, that an earlier one has.
      if (!this.#channel.isWanted) {
        await this.#channel.request(this.#session.leg().monitorSessionId, waitMs);
        continue;
      }
      this.#channel.takeNews();
      if (await this.#isWaitingInVain(command)) return false;
      if (this.#channel.isExpired) return this.#expire(command);
      const isNew = this.#showPlace(command);
      if (isNew || this.#hinted) {
        // Who waits is shown whether anybody speaks, as the platform has it.
        this.#hinted = false;
        await this.#leg.lookOnce();
        const isFree = this.#session.record().session.bargeStatus === 'inactive';
        if (isNew && isFree) await this.#channel.doubtHolder();
      }
      // One timer for the whole wait, however often the session moves up.
      this.#patience.setFor(this.#channel.hearsUntilMs);
      // Who waits must not speak: it would keep the channel from whose turn it is.
      if (this.#mustFallSilent) await this.#leg.fallSilent(() => this.#channel.hasNews || this.#patience.hasRung);
      this.rest();
      await condition(
        () => this.#channel.hasNews || this.#hinted || this.#newerThan(command) || this.#patience.hasRung,
      );
      // A grant may have come long ago and be heard only now, at once with the ring: after its worker was away.
      const isUnheard = this.#patience.takeRing() && Date.now() >= this.#channel.hearsUntilMs;
      if (isUnheard && !this.#channel.hasNews) return this.#expire(command);
    }
    this.#patience.stop();
    const { fence, waitEndsMs } = this.#channel;
    // Nobody is put on a call long after having been told that it came to nothing.
    const isLate = waitEndsMs !== undefined && Date.now() >= waitEndsMs;
    if (isLate && !(await this.#speaksAlready())) return this.#expire(command);
    if (fence !== undefined && !isHolder) {
      this.#session.apply({ type: 'session.granted', at: now(), commandId, fence });
    }
    return true;
  }

  /** A try of the command may have let the leg speak in time, and its record be lost with its worker. */
  async #speaksAlready(): Promise<boolean> {
    for (let looks = 0; looks < LOOKS_AT_ITSELF; looks += 1) if (await this.#leg.lookOnce()) break;
    return this.#leg.speaks;
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
    // A try whose record was lost with its worker may have let the leg speak, which nobody knows.
    this.hint();
    // The leg may speak only where it was granted the channel and a try was lost; then it is silenced first.
    await (this.#isGranted && this.#leg.mayStillSpeak ? this.#channel.endWait() : this.#channel.release());
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

    const seen = await unless(
      () => this.#newerThan(command),
      async () => {
        if (pauseMs > 0) await sleep(pauseMs, { summary: 'before the channel is tried again' });
        return this.#untilFree(conflictingMonitorSessionId, untilMs);
      },
    );
    if (await this.#overtaken(command)) return false;
    if (seen !== undefined) this.#leg.show(seen);
    if (seen !== undefined && seen.kind !== 'active') return false;
    return Date.now() < untilMs || this.#expire(command);
  }

  /** `undefined`: the time is over, something has changed, or nobody can tell. */
  async #untilFree(monitorSessionId: string, untilMs: number): Promise<Observation | undefined> {
    const leg = this.#session.leg();
    try {
      this.#hinted = false;
      const contender = await findContenderWithin(untilMs - Date.now())({ ...leg, monitorSessionId });
      log.info('channel.contended', { ...leg, conflictingMonitorSessionId: monitorSessionId, contender });
      return await unless(
        () => this.#hinted,
        () => confirmChannelFreeWithin(Math.max(1, untilMs - Date.now()))(leg),
      );
    } catch (error) {
      if (isCancellation(error)) throw error;
      return undefined;
    }
  }
}

function now(): string {
  return new Date().toISOString();
}
