import { z } from 'zod';
import {
  channelExpired,
  CHANNEL_EXPIRED,
  channelGranted,
  CHANNEL_GRANTED,
  channelRelease,
  channelRequest,
  RELEASE_CHANNEL,
  REQUEST_CHANNEL,
} from '../../domain/channel.js';
import type { Chain } from './chains.js';

/** It happened at some time between these, ms since the epoch. */
export interface Span {
  readonly fromMs: number;
  readonly atMs: number;
}

/** The answer to a request that found the channel free. */
const grantedAtOnce = z.object({ kind: z.literal('granted'), fence: z.number() });

/** One request for the exclusive channel and what became of it, put together from Temporal's histories alone. */
export interface Turn {
  readonly requestId: string;
  /** The session that asked. */
  readonly sessionId: string;
  readonly runId: string;
  readonly monitorSessionId: string;
  /** The mutex that was asked: its first run. */
  readonly mutexRunId: string;
  /** Its rank among that mutex's requests: when the mutex accepted it, or the earlier one whose place it took over. */
  readonly place: number;
  readonly acceptedAtMs: number;
  /** Until then it may wait, by the time at which the mutex accepted it at the earliest. */
  readonly expiresAtMs: number;
  /** As the session was told. */
  readonly grant: ({ readonly fence: number } & Span) | undefined;
  readonly expiredAtMs: number | undefined;
  /** When the mutex was told that it is over. */
  readonly release: Span | undefined;
}

/** The turns of one interaction, in the order of their acceptance. */
export function turnsOf(mutexes: readonly Chain[], sessions: readonly Chain[]): Turn[] {
  const grants = [...messages(sessions, CHANNEL_GRANTED, channelGranted), ...mutexes.flatMap(grantsAtOnce)];
  const expirations = messages(sessions, CHANNEL_EXPIRED, channelExpired);
  // Wherever it arrived: who asked a mutex that was terminated gives back to the next one.
  const releases = messages(mutexes, RELEASE_CHANNEL, channelRelease);

  return mutexes.flatMap((mutex) => {
    const open = new Map<string, { readonly requestId: string; readonly place: number }>();
    const turns = new Map<string, Turn>();
    for (const { name, content, fromMs } of mutex.messages) {
      if (name === RELEASE_CHANNEL) {
        const { requestId } = channelRelease.parse(content);
        for (const [session, known] of open) if (known.requestId === requestId) open.delete(session);
      }
      if (name !== REQUEST_CHANNEL) continue;
      const { requestId, sessionId, runId, monitorSessionId, waitMs } = channelRequest.parse(content);
      if (turns.has(requestId)) continue;
      const session = `${sessionId} ${runId}`;
      const place = open.get(session)?.place ?? turns.size;
      open.set(session, { requestId, place });
      const about = <Message extends { requestId: string }>(all: readonly Dated<Message>[]) =>
        all.filter((one) => one.message.requestId === requestId);
      const [grant] = about(grants);
      const grantedIn = spanOf(about(grants));
      turns.set(requestId, {
        requestId,
        sessionId,
        runId,
        monitorSessionId,
        mutexRunId: mutex.firstRunId,
        place,
        acceptedAtMs: fromMs,
        expiresAtMs: fromMs + waitMs,
        grant:
          grant === undefined || grantedIn === undefined ? undefined : { fence: grant.message.fence, ...grantedIn },
        expiredAtMs: about(expirations)[0]?.atMs,
        release: spanOf(about(releases)),
      });
    }
    return [...turns.values()];
  });
}

/** What a mutex gave in answer to a request, where that was an update. */
function grantsAtOnce({ messages: all }: Chain): Dated<{ requestId: string; fence: number }>[] {
  return all.flatMap(({ name, content, answer, fromMs, atMs }) => {
    const granted = name === REQUEST_CHANNEL ? grantedAtOnce.safeParse(answer).data : undefined;
    if (granted === undefined) return [];
    return [{ fromMs, atMs, message: { requestId: channelRequest.parse(content).requestId, fence: granted.fence } }];
  });
}

/** When something was told that may have been told twice. */
function spanOf(told: readonly Span[]): Span | undefined {
  if (told.length === 0) return undefined;
  return { fromMs: Math.min(...told.map(({ fromMs }) => fromMs)), atMs: Math.min(...told.map(({ atMs }) => atMs)) };
}

interface Dated<Message> extends Span {
  readonly message: Message;
}

function messages<Message>(chains: readonly Chain[], name: string, schema: z.ZodType<Message>): Dated<Message>[] {
  return chains
    .flatMap((chain) => chain.messages)
    .filter((message) => message.name === name)
    .map(({ fromMs, atMs, content }) => ({ fromMs, atMs, message: schema.parse(content) }));
}
