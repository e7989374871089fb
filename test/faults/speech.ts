import { isExclusive } from '../../domain/session.js';
import type { LegLife, RequestEntry } from '../../simulator/ledger.js';
import type { Turn } from './turns.js';

export interface Interval {
  readonly fromMs: number;
  readonly toMs: number;
}

/** A time during which a leg was in barge or whisper without a break. */
export interface Speech extends Interval {
  readonly monitorSessionId: string;
  readonly clientId: string;
  /** The request that began it; none where the platform itself did. */
  readonly requestSeq: number | null;
}

/** Who spoke when, as the platform has it. */
export function speechesOf(legs: readonly LegLife[]): Speech[] {
  return legs.flatMap(({ monitorSessionId, clientId, modes, endedAt }) => {
    const speeches: Speech[] = [];
    let begun: { readonly fromMs: number; readonly requestSeq: number | null } | undefined;
    const end = (toMs: number): void => {
      if (begun !== undefined) speeches.push({ monitorSessionId, clientId, ...begun, toMs });
      begun = undefined;
    };
    for (const { mode, at, requestSeq } of modes) {
      if (isExclusive(mode)) begun ??= { fromMs: Date.parse(at), requestSeq };
      else end(Date.parse(at));
    }
    end(endedAt === null ? Number.POSITIVE_INFINITY : Date.parse(endedAt));
    return speeches;
  });
}

/** When a session had the right to speak: from each grant until the mutex was told that it is over. */
export function rightsOf(turns: readonly Turn[]): Interval[] {
  return turns.flatMap(({ grant, release }) => {
    const toMs = release?.atMs ?? Number.POSITIVE_INFINITY;
    return grant === undefined || toMs <= grant.fromMs ? [] : [{ fromMs: grant.fromMs, toMs }];
  });
}

/** What is left of an interval without the others. */
export function without(whole: Interval, others: readonly Interval[]): Interval[] {
  return others.reduce<Interval[]>(
    (left, other) =>
      left.flatMap(({ fromMs, toMs }) =>
        [
          { fromMs, toMs: Math.min(toMs, other.fromMs) },
          { fromMs: Math.max(fromMs, other.toMs), toMs },
        ].filter((part) => part.fromMs < part.toMs),
      ),
    [whole],
  );
}

/** Whether whoever sent a request may not have learned that it took effect, or only late. */
export function isUnconfirmed(request: RequestEntry | undefined, patienceMs: number): boolean {
  if (request === undefined) return false;
  return request.fault !== null || request.status !== 200 || (request.tookMs ?? Number.POSITIVE_INFINITY) > patienceMs;
}
