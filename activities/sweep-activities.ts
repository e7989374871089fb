import { activityInfo, cancellationSignal, getClient, heartbeat } from '@temporalio/activity';
import { z } from 'zod';
import { allRunningOn } from '../directory/running-sessions.js';
import { sendAll, tidingsOfEnd } from '../directory/tell-workflows.js';
import type { Interaction, InteractionPage } from '../domain/platform-wire.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';
import { whileBeating } from './heartbeats.js';
import { Pace } from './pace.js';
import { answering } from './platform-failure.js';

/** Largest page of the platform (`platform-api.md`, Interactions). */
const PAGE_SIZE = 500;

/** More pages than that are a platform that leads in circles. */
const MAX_PAGES = 10_000;

export interface SweptPages {
  readonly pages: number;
  /** Ended since. */
  readonly interactions: number;
  /** Sessions that ran although their interaction is over. */
  readonly sessionsTold: number;
  /** The end that was the latest, by the platform's clock, ISO 8601; `null` without any. */
  readonly newestEndAt: string | null;
}

export interface SweepActivities {
  /**
   * Ends the sessions of every interaction that has ended since, as the platform lists them. An attempt that follows
   * another goes on with the page at which that one was cut off.
   * @param endedAfter by the platform's clock, ISO 8601; `null`: all that are listed
   */
  sweepEnded(endedAfter: string | null): Promise<SweptPages>;
}

/** What an attempt leaves to the next. */
const progress = z.tuple([
  z.object({
    cursor: z.string().nullable(),
    pages: z.number(),
    interactions: z.number(),
    sessionsTold: z.number(),
    newestEndAt: z.string().nullable(),
  }),
]);
type Progress = z.infer<typeof progress>[0];

const BEGINNING: Progress = { cursor: null, pages: 0, interactions: 0, sessionsTold: 0, newestEndAt: null };

export function createSweepActivities(platform: TelephonyPlatform): SweepActivities {
  return {
    async sweepEnded(endedAfter) {
      const before = progress.safeParse([activityInfo().heartbeatDetails]);
      let done: Progress = before.data?.[0] ?? BEGINNING;
      const pace = new Pace(cancellationSignal());
      await whileBeating(
        async () => {
          for (let isLast = false; !isLast;) {
            // One page is all that there is as a rule; what a platform lists beyond that waits for commands.
            if (done.pages > 0) await pace.turn();
            const next = await sweepPage(platform, endedAfter, done);
            // One that leads in circles has no more to tell.
            isLast = next.cursor === null || next.cursor === done.cursor || next.pages >= MAX_PAGES;
            done = next;
            heartbeat(done);
          }
        },
        () => done,
      );
      const { pages, interactions, sessionsTold, newestEndAt } = done;
      return { pages, interactions, sessionsTold, newestEndAt };
    },
  };
}

async function sweepPage(platform: TelephonyPlatform, endedAfter: string | null, done: Progress): Promise<Progress> {
  const { cursor } = done;
  const page = await answering<InteractionPage, never>(
    () =>
      platform.listInteractions(
        {
          status: 'ended',
          pageSize: PAGE_SIZE,
          ...(cursor === null ? {} : { cursor }),
          ...(endedAfter === null ? {} : { endedAfter }),
        },
        { signal: cancellationSignal() },
      ),
    () => undefined,
  );
  // A platform may list all of them, whatever it was asked (`platform-api.md`).
  const sinceMs = endedAfter === null ? Number.NEGATIVE_INFINITY : Date.parse(endedAfter);
  const ended = page.entities.filter((one) => one.status === 'ended' && endOf(one) >= sinceMs);
  const sessionsTold = await endSessionsOn(ended.map(({ id }) => id));
  return {
    cursor: page.nextCursor,
    pages: done.pages + 1,
    interactions: done.interactions + ended.length,
    sessionsTold: done.sessionsTold + sessionsTold,
    newestEndAt: newest([done.newestEndAt, ...ended.map(({ endedAt }) => endedAt)]),
  };
}

/** Tells those who run; how many sessions. */
async function endSessionsOn(interactionIds: readonly string[]): Promise<number> {
  const client = getClient();
  const running = await allRunningOn(client, interactionIds);
  await sendAll(
    client,
    tidingsOfEnd(running, () => 'found ended by the sweep'),
  );
  return running.sessions.length;
}

/** One whose end the platform does not date may be new. */
function endOf({ endedAt }: Interaction): number {
  const atMs = Date.parse(endedAt ?? '');
  return Number.isNaN(atMs) ? Number.POSITIVE_INFINITY : atMs;
}

function newest(times: readonly (string | null)[]): string | null {
  const known = times.flatMap((time) => {
    const atMs = Date.parse(time ?? '');
    return Number.isNaN(atMs) ? [] : [atMs];
  });
  return known.length === 0 ? null : new Date(Math.max(...known)).toISOString();
}
