import type { Evidence } from './evidence.js';
import type { Turn } from './turns.js';

type GrantedTurn = Turn & { readonly grant: NonNullable<Turn['grant']> };

/** Rule 4, by Temporal's histories: first come, first served, one at a time, and nobody who no longer waits. */
export function orderFaults(evidence: Evidence): string[] {
  const { mutexes } = evidence;
  const lines = mutexes.map(({ firstRunId }) => evidence.turns.filter(({ mutexRunId }) => mutexRunId === firstRunId));
  return [
    ...lines.flatMap((turns) => [
      ...outOfOrder(turns),
      ...overtaken(turns, evidence),
      ...heldByTwo(turns, evidence),
      ...grantedAfterAll(turns),
    ]),
    ...fencesThatFall(lines),
    ...unproven(evidence),
  ];
}

function granted(turns: readonly Turn[]): GrantedTurn[] {
  return turns
    .flatMap((turn) => (turn.grant === undefined ? [] : [{ ...turn, grant: turn.grant }]))
    .sort((one, other) => one.grant.fence - other.grant.fence);
}

/** Grants in another order than the requests. */
function outOfOrder(turns: readonly Turn[]): string[] {
  const inOrder = granted(turns);
  return inOrder.flatMap((turn, index) => {
    const before = inOrder[index - 1];
    if (before === undefined) return [];
    if (before.grant.fence === turn.grant.fence) return [`one fence for two: ${named(before)} and ${named(turn)}`];
    return before.place <= turn.place ? [] : [`${named(turn)} is granted after ${named(before)}, who came later`];
  });
}

/** Who came earlier, still waited, and saw a later one served. */
function overtaken(turns: readonly Turn[], evidence: Evidence): string[] {
  return granted(turns).flatMap((turn) =>
    turns
      .filter(
        (earlier) =>
          earlier.place < turn.place &&
          earlier.grant === undefined &&
          earlier.expiresAtMs > turn.grant.atMs &&
          !isReplaced(earlier, turns) &&
          (earlier.release?.fromMs ?? Number.POSITIVE_INFINITY) > turn.grant.atMs &&
          closedAt(earlier, evidence) > turn.grant.atMs,
      )
      .map((earlier) => `${named(turn)} is granted over the head of ${named(earlier)}`),
  );
}

/** Who is granted the channel while the one before has neither given it back nor died and been silenced. */
function heldByTwo(turns: readonly Turn[], evidence: Evidence): string[] {
  const inOrder = granted(turns);
  return inOrder.flatMap((turn, index) => {
    const before = inOrder[index - 1];
    if (before === undefined || before.runId === turn.runId) return [];
    const { atMs } = turn.grant;
    if ((before.release?.fromMs ?? Number.POSITIVE_INFINITY) <= atMs) return [];
    if (isLostRelease(before, turn.grant, evidence)) return [];
    if (closedAt(before, evidence) > atMs) return [`${named(turn)} is granted while ${named(before)} has the channel`];
    const leg = evidence.legs.find(({ monitorSessionId }) => monitorSessionId === before.monitorSessionId);
    const isLegLive = leg !== undefined && (leg.endedAt === null || Date.parse(leg.endedAt) > atMs);
    return isLegLive ? [`${named(turn)} is granted while the leg of ${named(before)}, who died, is live`] : [];
  });
}

/**
 * A mutex that is terminated in a task takes along what it heard in it, though the grant that followed is on its way. Then
 * the platform has to show that the leg was silent by then.
 */
function isLostRelease(holder: Turn, next: GrantedTurn['grant'], { mutexes, legs }: Evidence): boolean {
  const closedAtMs = mutexes.find(({ firstRunId }) => firstRunId === holder.mutexRunId)?.closedAtMs;
  if (closedAtMs === undefined || closedAtMs > next.atMs) return false;
  const modes = legs.find(({ monitorSessionId }) => monitorSessionId === holder.monitorSessionId)?.modes ?? [];
  return modes.findLast(({ at }) => Date.parse(at) <= closedAtMs)?.mode === 'silent';
}

function grantedAfterAll(turns: readonly Turn[]): string[] {
  return granted(turns)
    .filter(({ expiredAtMs, grant }) => expiredAtMs !== undefined && expiredAtMs < grant.fromMs)
    .map((turn) => `${named(turn)} is granted after it has expired`);
}

/** From one mutex of the interaction to the next. */
function fencesThatFall(lines: readonly (readonly Turn[])[]): string[] {
  const fences = lines.flatMap((turns) => granted(turns).map(({ grant }) => grant.fence));
  return fences.flatMap((fence, index) => {
    const before = fences[index - 1];
    return before === undefined || before < fence ? [] : [`the fence ${fence} comes after ${before}`];
  });
}

/** A grant in a session's trail that the mutex never gave. */
function unproven({ sessions }: Evidence): string[] {
  return sessions.flatMap(({ played, report, turns }) =>
    (report?.history ?? []).flatMap((entry) =>
      entry.type !== 'session.granted' || turns.some(({ grant }) => grant?.fence === entry.fence)
        ? []
        : [`${played.name} claims fence ${entry.fence} for ${entry.commandId}, and nobody gave it`],
    ),
  );
}

/** Its session asked anew, having lost its memory in a reset. */
function isReplaced(turn: Turn, turns: readonly Turn[]): boolean {
  return turns.some(({ place, requestId }) => place === turn.place && requestId !== turn.requestId);
}

function closedAt({ runId }: Turn, { sessions }: Evidence): number {
  return sessions.find(({ chain }) => chain.firstRunId === runId)?.chain.closedAtMs ?? Number.POSITIVE_INFINITY;
}

function named({ sessionId, runId, requestId, grant }: Turn): string {
  const fence = grant === undefined ? '' : `, fence ${grant.fence}`;
  return `${sessionId.split('~').at(-1) ?? ''} (${runId.slice(-4)}, request ${requestId.slice(0, 8)}${fence})`;
}
