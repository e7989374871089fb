import { activityInfo, cancellationSignal } from '@temporalio/activity';
import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import { homeIn, placementOf, planPlacement } from '../domain/media-placement.js';
import type { Placement } from '../domain/media-placement.js';
import type { LegState, MonitorState } from '../domain/platform-wire.js';
import type { BargeStatus, MonitorMode } from '../domain/session.js';
import { isExclusive } from '../domain/session.js';
import type { Leg, TelephonyPlatform } from '../platform/telephony-platform.js';
import { importanceOf } from '../platform/importance.js';
import { PlatformError } from '../platform/platform-error.js';
import type { PlatformFault } from '../platform/platform-error.js';
import { answering, platformFailure } from './platform-failure.js';
import type { EarlierLeg } from './earlier-leg.js';
import type { LookedUp, MediaServerLookup } from './media-server-lookup.js';

/** What became of a `start` that the platform answered. */
export type StartOutcome =
  | { readonly kind: 'started'; readonly monitorSessionId: string; readonly placement: Placement }
  | {
      readonly kind: 'refused';
      readonly endReason: 'forbidden' | 'interaction-ended' | 'start-failed';
      /** For the audit trail. */
      readonly detail: string;
    };

/** The leg, or why there is none any more. */
export type Observation =
  | {
      readonly kind: 'active';
      readonly mode: MonitorMode;
      readonly bargeStatus: BargeStatus;
      readonly mediaServerGroupId: string | null;
    }
  | { readonly kind: 'failed' }
  | { readonly kind: 'leg-lost' }
  | { readonly kind: 'interaction-ended' }
  | { readonly kind: 'forbidden' };

/** `afterRetry`: an earlier try failed, and may take effect yet. */
export type ModeOutcome = ModeAnswer & { readonly afterRetry: boolean };

type ModeAnswer =
  | { readonly kind: 'applied'; readonly bargeStatus: BargeStatus }
  /** Another leg holds the exclusive channel; ours is in `mode`. */
  | { readonly kind: 'busy'; readonly conflictingMonitorSessionId: string; readonly mode: MonitorMode }
  | { readonly kind: 'leg-lost' }
  | { readonly kind: 'interaction-ended' }
  | { readonly kind: 'refused'; readonly reason: 'forbidden' | 'unauthorized' | 'invalid' };

/** `gone` also where the leg was not there any more; the others are final refusals. */
export type StopOutcome = 'gone' | 'forbidden' | 'invalid';

/** Longest that a `start` may take in all, ms: tokens, one replay and the look after a reset included. */
const START_LIMIT_MS = 40_000;

export interface LegActivities {
  /**
   * Issues the session's one `start`, near to where the interaction is carried; where a group cannot take the leg, which makes
   * none, the next best is asked. Run it with one attempt: it is not idempotent. Deaf to cancellation once it runs,
   * because what was sent cannot be called back.
   * Fails with `platform.ambiguous` if the leg may have been made, and with `platform.throttled` or
   * `platform.unreachable` if it certainly was not.
   */
  startLeg(request: {
    readonly interactionId: string;
    readonly mediaServerGroupId?: string;
    /** No other group than that, or than the one that carries the interaction, will do. */
    readonly isStrict?: boolean;
    /** The first run of the session's chain: in any later run an earlier `start` may have been sent already. */
    readonly chainRunId: string;
  }): Promise<StartOutcome>;

  /** Looks once whether a pending leg has become active; fails with the retryable `leg.pending` while it has not. */
  confirmLeg(leg: Leg): Promise<Observation>;

  /** Looks what the platform says of an active leg. */
  observeLeg(leg: Leg): Promise<Observation>;

  /** Looks once whether the platform would let a leg speak; fails with the retryable `channel.busy` while it would not. */
  confirmChannelFree(leg: Leg): Promise<Observation>;

  /**
   * Puts a leg into a mode, after a look at the platform's own state. Idempotent.
   * @param isConfirmed the platform confirmed that mode before, and nothing has been asked of it since: then a look will
   * do. Otherwise it will not, because it may show what was before the last change.
   */
  changeMode(leg: Leg, mode: MonitorMode, isConfirmed: boolean): Promise<ModeOutcome>;

  /** Stops a leg. */
  stopLeg(leg: Leg): Promise<StopOutcome>;
}

export function createLegActivities(
  platform: TelephonyPlatform,
  earlierLeg: EarlierLeg,
  mediaServers: MediaServerLookup,
): LegActivities {
  async function observe(
    leg: Leg,
    whilePending: () => never,
    whenActive: (state: MonitorState) => void = () => undefined,
  ): Promise<Observation> {
    return answering(
      async (): Promise<Observation> => {
        const state = await platform.monitorState(leg.interactionId, { signal: cancellationSignal() });
        const seen = findLeg(state, leg);
        switch (seen?.status) {
          case 'active':
            whenActive(state);
            return {
              kind: 'active',
              mode: seen.mode,
              bargeStatus: state.bargeStatus,
              mediaServerGroupId: seen.mediaServerGroupId,
            };
          case 'pending':
            return whilePending();
          case 'failed':
            return { kind: 'failed' };
          case 'terminated':
          case undefined:
            return { kind: 'leg-lost' };
        }
      },
      (fault) => {
        if (fault.kind === 'gone') return { kind: 'interaction-ended' };
        if (fault.kind === 'forbidden') return { kind: 'forbidden' };
        return undefined;
      },
    );
  }

  return {
    async startLeg({ interactionId, mediaServerGroupId, isStrict = false, chainRunId }) {
      const { workflowExecution, attempt } = activityInfo();
      // Also for a worker that was frozen: what it did not send in time, it never sends.
      const signal = AbortSignal.timeout(START_LIMIT_MS);
      const notAfterMs = Date.now() + START_LIMIT_MS;
      const asked = { isStrict, ...(mediaServerGroupId === undefined ? {} : { mediaServerGroupId }) };
      if (workflowExecution !== undefined && (workflowExecution.runId !== chainRunId || attempt > 1)) {
        const repeated = { ...workflowExecution, chainRunId, interactionId, mayStillSendMs: START_LIMIT_MS };
        const earlier = await earlierLeg(repeated, signal);
        if (earlier !== undefined) {
          const home = homeIn((await mediaServers(interactionId)).groups);
          const placement = { mediaServerGroupId: null, home, fallback: null };
          return { kind: 'started', monitorSessionId: earlier, placement };
        }
      }
      const lookedUp = await mediaServers(interactionId);
      const plan = planPlacement(lookedUp.groups, asked);
      if (plan === undefined) return withoutPlan(lookedUp);
      for (const [index, group] of plan.candidates.entries()) {
        try {
          const { monitorSessionId } = await platform.startMonitor(
            { interactionId, ...(group === null ? {} : { mediaServerGroupId: group }) },
            { signal, notAfterMs },
          );
          return { kind: 'started', monitorSessionId, placement: placementOf(plan, index) };
        } catch (error) {
          // Cut off by the limit, or by something nobody thought of: then it may have been sent.
          if (!(error instanceof PlatformError)) {
            throw ApplicationFailure.create({
              type: 'platform.ambiguous',
              message: `start: given up (${error instanceof Error ? error.message : 'unknown'})`,
              nonRetryable: true,
            });
          }
          const { kind } = error.fault;
          if (kind === 'group-unavailable' && index + 1 < plan.candidates.length) continue;
          const endReason = endReasonOfRefusal(error.fault);
          if (endReason === undefined) throw platformFailure(error);
          const detail = kind === 'group-unavailable' ? `${error.message} (${group ?? 'any'})` : error.message;
          return { kind: 'refused', endReason, detail };
        }
      }
      throw new Error('a plan without candidates');
    },

    confirmLeg: (leg) =>
      observe(leg, () => {
        throw ApplicationFailure.create({
          type: 'leg.pending',
          message: `leg ${leg.monitorSessionId} is still pending`,
          // Every session goes through it: nothing to warn of.
          category: ApplicationFailureCategory.BENIGN,
        });
      }),

    observeLeg: (leg) => observe(leg, pendingAgain(leg)),

    confirmChannelFree: (leg) =>
      observe(leg, pendingAgain(leg), ({ bargeStatus, bargeMonitorSessionId }) => {
        if (bargeStatus === 'inactive' || bargeMonitorSessionId === leg.monitorSessionId) return;
        throw ApplicationFailure.create({
          type: 'channel.busy',
          message: `leg ${bargeMonitorSessionId ?? 'unnamed'} has the channel`,
          category: ApplicationFailureCategory.BENIGN,
        });
      }),

    async changeMode(leg, mode, isConfirmed) {
      let modeSeen: MonitorMode = 'silent';
      const answer = await answering(
        async (): Promise<ModeAnswer> => {
          const signal = cancellationSignal();
          const state = await platform.monitorState(leg.interactionId, { signal, importance: importanceOf(mode) });
          const seen = findLeg(state, leg);
          if (seen === undefined || seen.status === 'terminated' || seen.status === 'failed') {
            return { kind: 'leg-lost' };
          }
          // Repeating is harmless, but a call saved is a call for somebody else.
          if (isConfirmed && seen.status === 'active' && seen.mode === mode) {
            return { kind: 'applied', bargeStatus: state.bargeStatus };
          }
          modeSeen = seen.mode;
          const holder = otherHolder(state, leg);
          if (isExclusive(mode) && holder !== undefined) {
            return { kind: 'busy', conflictingMonitorSessionId: holder, mode: modeSeen };
          }
          await platform.changeMode(leg, mode, { signal });
          return { kind: 'applied', bargeStatus: isExclusive(mode) || holder !== undefined ? 'active' : 'inactive' };
        },
        (fault): ModeAnswer | undefined => {
          switch (fault.kind) {
            case 'busy':
              // Silence contends for nothing: a platform that says so all the same is asked again, after a pause.
              if (!isExclusive(mode))
                throw ApplicationFailure.retryable('silent: refused as busy', 'platform.not-ready');
              return {
                kind: 'busy',
                conflictingMonitorSessionId: fault.conflictingMonitorSessionId,
                mode: modeSeen,
              };
            case 'gone':
              return { kind: fault.what === 'leg' ? 'leg-lost' : 'interaction-ended' };
            case 'forbidden':
            case 'unauthorized':
            case 'invalid':
              return { kind: 'refused', reason: fault.kind };
            default:
              return undefined;
          }
        },
      );
      return { ...answer, afterRetry: activityInfo().attempt > 1 };
    },

    stopLeg: (leg) =>
      answering(
        async (): Promise<StopOutcome> => {
          await platform.stopMonitor(leg, { signal: cancellationSignal() });
          return 'gone';
        },
        (fault) => (fault.kind === 'forbidden' || fault.kind === 'invalid' ? fault.kind : undefined),
      ),
  };
}

function pendingAgain({ monitorSessionId }: Leg): () => never {
  return () => {
    throw ApplicationFailure.retryable(`leg ${monitorSessionId} is pending again`, 'platform.not-ready');
  };
}

function findLeg(state: MonitorState, leg: Leg): LegState | undefined {
  return state.monitors.find((other) => other.monitorSessionId === leg.monitorSessionId);
}

/** The other leg that has the channel now; a platform may go on naming the one that had it last. */
function otherHolder({ bargeStatus, bargeMonitorSessionId }: MonitorState, leg: Leg): string | undefined {
  if (bargeStatus === 'inactive' || bargeMonitorSessionId === null) return undefined;
  return bargeMonitorSessionId === leg.monitorSessionId ? undefined : bargeMonitorSessionId;
}

/**
 * No other group will do than the one that carries the interaction, and nobody could tell which that is: so no `start` was
 * sent.
 * @throws ApplicationFailure where it can be tried again
 */
function withoutPlan(lookedUp: LookedUp): StartOutcome {
  if (lookedUp.groups !== undefined) {
    const detail = 'start: the platform does not tell which media server group carries the interaction';
    return { kind: 'refused', endReason: 'start-failed', detail };
  }
  const { fault, message = 'GET media server groups: no answer in time' } = lookedUp.failure ?? {};
  const endReason = fault === undefined ? undefined : endReasonOfRefusal(fault);
  if (endReason !== undefined) return { kind: 'refused', endReason, detail: `start: ${message}` };
  throw platformFailure(
    fault?.kind === 'throttled'
      ? new PlatformError('start', fault)
      : new PlatformError('start', { kind: 'unreachable', detail: message }),
  );
}

/** Why a session ends whose `start` the platform refused for good; `undefined` where it is not a refusal. */
function endReasonOfRefusal(fault: PlatformFault): (StartOutcome & { kind: 'refused' })['endReason'] | undefined {
  switch (fault.kind) {
    case 'forbidden':
      return 'forbidden';
    case 'gone':
      return fault.ended ? 'interaction-ended' : 'start-failed';
    case 'group-unavailable':
    case 'invalid':
    case 'busy':
    case 'not-ready':
    case 'unauthorized':
      return 'start-failed';
    case 'throttled':
    case 'unreachable':
    case 'ambiguous':
      return undefined;
  }
}
