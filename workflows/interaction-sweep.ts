import {
  CancellationScope,
  condition,
  continueAsNew,
  defineQuery,
  isCancellation,
  log,
  setCurrentDetails,
  setHandler,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import type { UnknownLeg } from '../domain/reconciliation.js';
import {
  INTERACTION_SWEEP_ID,
  newSweepReport,
  nextWatermark,
  ROUND_MEMO,
  SWEEP_NOW,
  SWEEP_OVERLAP_MS,
  SWEEP_SETTINGS,
  sweepSettings,
} from '../domain/sweep.js';
import type { SweepReport, SweepSettings } from '../domain/sweep.js';
import { STATE_QUERY } from '../domain/workflow-contract.js';
import { applicationFailure, isActivityFailure } from './activity-failures.js';
import { Alarm } from './alarm.js';
import { handleSignalsInOrder } from './signals-in-order.js';
import type { Inbox } from './signals-in-order.js';
import { reconcile, sweepEnded } from './sweep-activities.js';
import { describeSweep } from './sweep-details.js';
import { isTaskOfItsOwn } from './task-of-its-own.js';
import { parsed, requireWorkflowId } from './workflow-input.js';

const sweepQuery = defineQuery<SweepReport>(STATE_QUERY);

/** However often it is asked for, a sweep or round begins no sooner after the one before, ms. */
const LEAST_BETWEEN_SWEEPS_MS = 5_000;
const LEAST_BETWEEN_ROUNDS_MS = 15_000;

/** Sessions that died before the very first round are looked behind as long as a leg can live, ms. */
const LEG_LIVES_MS = 24 * 3_600_000;

/** What a run hands to the next. */
interface CarriedSweep {
  /** From when the next sweep looks, by the platform's clock, ISO 8601. */
  readonly watermark: string | null;
  /** Since when the next round looks behind sessions that died, by Temporal's clock, ISO 8601. */
  readonly closedSince: string;
  readonly unknown: readonly UnknownLeg[];
  readonly cursor: string | null;
  readonly sweepDueMs: number;
  readonly roundDueMs: number;
  readonly report: SweepReport;
}

/**
 * Finds out what nobody told: calls that are over, legs that were severed, legs that nobody owns
 * (docs/decisions/0008-nothing-left-behind.md). One for all sessions, whose number it does not know: a sweep costs as many
 * calls as the platform has pages of calls that ended since the last one, and some ten events.
 *
 * @throws ApplicationFailure `invalid.request`, `singleton.id.mismatch`
 */
export async function interactionSweep(settings: SweepSettings, carried?: CarriedSweep): Promise<void> {
  requireWorkflowId(
    INTERACTION_SWEEP_ID,
    'singleton.id.mismatch',
    'there is one interactionSweep, which has the workflow id',
  );
  return new InteractionSweep(parsed(sweepSettings, settings), carried).run();
}

class InteractionSweep {
  readonly #alarm = new Alarm();
  readonly #inbox: Inbox;
  #settings: SweepSettings;
  #carried: CarriedSweep;
  #hasNews = false;
  #isSweeping = false;
  #isComparing = false;
  #sweepUnderWay = new CancellationScope();
  #sweptAtMs = 0;
  #comparedAtMs = 0;

  constructor(settings: SweepSettings, carried: CarriedSweep | undefined) {
    const now = Date.now();
    this.#settings = settings;
    this.#carried = carried ?? {
      watermark: null,
      closedSince: new Date(now - LEG_LIVES_MS).toISOString(),
      unknown: [],
      cursor: null,
      sweepDueMs: now,
      roundDueMs: now,
      report: newSweepReport(settings),
    };
    this.#inbox = this.#handleMessages();
  }

  async run(): Promise<void> {
    for (;;) {
      this.#hasNews = false;
      const isHistoryLong = workflowInfo().continueAsNewSuggested;
      this.#beginWhatIsDue(isHistoryLong);
      setCurrentDetails(describeSweep(this.#carried.report));
      if (isHistoryLong && !this.#isSweeping && !this.#isComparing) {
        if (await isTaskOfItsOwn(this.#inbox)) {
          await continueAsNew<typeof interactionSweep>(this.#settings, this.#carried);
        }
        continue;
      }
      const { sweepDueMs, roundDueMs } = this.#carried;
      if (!this.#isSweeping) this.#alarm.setFor(sweepDueMs);
      // Of a run that is to end it is overdue once its sweep has been called off for it.
      if (!this.#isComparing && (!isHistoryLong || roundDueMs > Date.now())) this.#alarm.setFor(roundDueMs);
      // Bounded by the alarm, or by the limits of what is under way.
      await condition(() => this.#hasNews || this.#alarm.takeRing());
    }
  }

  #handleMessages(): Inbox {
    setHandler(sweepQuery, () => this.#carried.report, { description: 'What the last sweep and round have found.' });
    return handleSignalsInOrder([
      {
        name: SWEEP_NOW,
        description: 'Events may have been missed: do it now.',
        handle: () => this.#hurry(),
      },
      {
        name: SWEEP_SETTINGS,
        description: 'Sent by each worker when it starts: {intervalMs}.',
        handle: (message) => this.#set(message),
      },
    ]);
  }

  #hurry(): void {
    const { sweepDueMs, roundDueMs } = this.#carried;
    this.#carry({
      sweepDueMs: Math.min(sweepDueMs, Math.max(Date.now(), this.#sweptAtMs + LEAST_BETWEEN_SWEEPS_MS)),
      roundDueMs: Math.min(roundDueMs, Math.max(Date.now(), this.#comparedAtMs + LEAST_BETWEEN_ROUNDS_MS)),
    });
  }

  #set(message: unknown): void {
    const settings = sweepSettings.safeParse(message);
    if (!settings.success) return log.warn('sweep.settings-refused');
    if (settings.data.intervalMs === this.#settings.intervalMs) return;
    this.#settings = settings.data;
    const { intervalMs } = settings.data;
    const { report, sweepDueMs, roundDueMs } = this.#carried;
    this.#carry({
      report: { ...report, intervalMs },
      sweepDueMs: Math.min(sweepDueMs, Date.now() + intervalMs),
      roundDueMs: Math.min(roundDueMs, Date.now() + intervalMs),
    });
  }

  /**
   * A run that is to end begins no round; but sweeps go on for as long as its last round takes. A sweep that does not come to
   * its end, as where lists fail, must not keep it from its own: the next run has both.
   */
  #beginWhatIsDue(isHistoryLong: boolean): void {
    const now = Date.now();
    const isStuck = this.#isSweeping && !this.#isComparing && !this.#sweepUnderWay.consideredCancelled;
    if (isHistoryLong && isStuck && now >= this.#carried.roundDueMs) {
      this.#carry({ sweepDueMs: now });
      this.#sweepUnderWay.cancel();
    }
    const mayBegin = !isHistoryLong || this.#isComparing;
    if (mayBegin && !this.#isSweeping && now >= this.#carried.sweepDueMs) {
      this.#isSweeping = true;
      this.#sweptAtMs = now;
      this.#carry({ sweepDueMs: now + this.#settings.intervalMs });
      this.#sweepUnderWay = new CancellationScope();
      void this.#trying('sweep', () => this.#sweepUnderWay.run(() => this.#sweep(now))).finally(() => {
        this.#isSweeping = false;
        this.#hasNews = true;
      });
    }
    if (!isHistoryLong && !this.#isComparing && now >= this.#carried.roundDueMs) {
      this.#isComparing = true;
      this.#comparedAtMs = now;
      this.#carry({ roundDueMs: now + this.#settings.intervalMs });
      void this.#trying('round', () => this.#compare(now)).finally(() => {
        this.#isComparing = false;
        this.#hasNews = true;
      });
    }
  }

  /** What fails is done again when it is due the next time, from where it was. */
  async #trying(part: 'sweep' | 'round', work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (isCancellation(error)) return;
      // Whatever it is, it must not end the sweep: nothing else would notice.
      const unknown = isActivityFailure(error) ? 'no worker has done it in time' : String(error);
      const trouble = applicationFailure(error)?.message ?? unknown;
      log.warn(`${part}.failed`, { trouble });
      const { report } = this.#carried;
      this.#carry({ report: { ...report, [part]: { ...report[part], trouble } } });
    }
  }

  async #sweep(startedAtMs: number): Promise<void> {
    const { watermark } = this.#carried;
    const { newestEndAt, ...found } = await sweepEnded(watermark);
    this.#carry({
      watermark: nextWatermark(watermark, newestEndAt, startedAtMs),
      report: { ...this.#carried.report, sweep: { at: new Date(startedAtMs).toISOString(), ...found, trouble: null } },
    });
  }

  async #compare(startedAtMs: number): Promise<void> {
    const { closedSince, unknown, cursor } = this.#carried;
    upsertMemo({ [ROUND_MEMO]: startedAtMs });
    const round = await reconcile({ round: startedAtMs, closedSince, unknown, cursor });
    const { interactions, calls, sessionsTold, legsStopped } = round;
    this.#carry({
      ...(round.sawTheDead ? { closedSince: new Date(startedAtMs - SWEEP_OVERLAP_MS).toISOString() } : {}),
      unknown: round.unknown,
      cursor: round.cursor,
      report: {
        ...this.#carried.report,
        round: {
          at: new Date(startedAtMs).toISOString(),
          tookMs: Date.now() - startedAtMs,
          interactions,
          calls,
          sessionsTold,
          legsStopped,
          legsUnknown: round.unknown.length,
          trouble: round.trouble,
        },
      },
    });
  }

  #carry(change: Partial<CarriedSweep>): void {
    this.#carried = { ...this.#carried, ...change };
    this.#hasNews = true;
  }
}
