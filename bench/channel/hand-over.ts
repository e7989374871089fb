import { aFewAtATime } from '../a-few-at-a-time.js';
import type { Channel, Pattern, Speaker } from './exclusive-channel.js';
import { PlatformWatch } from './platform-watch.js';
import { rest, untilQuiet } from './quiet.js';
import type { Rest } from './quiet.js';
import type { Scenario } from './scenario.js';
import { until } from '../until.js';
import type { World } from './world.js';

/** Earshot tells those who have moved up a second after a hand-over, on purpose outside of it. */
const PAUSE_MS = 1_500;
const IN_LINE_EVERY_MS = 20;

/** One speaks and that many wait; who has spoken goes to the end of the line. */
export function handOver(
  waiting: number,
  { client, simulator }: World,
  kind: Rest,
): (pattern: Pattern) => Promise<Scenario> {
  return async (pattern) => {
    const channel = await pattern.open(waiting + 1);
    const [first, ...others] = channel.speakers;
    if (first === undefined) throw new Error('Expected a speaker, got none');
    const watch = new PlatformWatch(simulator, channel.interactionId);
    await first.barge();
    await watch.first('barge');
    await aFewAtATime(others, queueUp);
    await untilQuiet(client, channel, PAUSE_MS);

    let holder = first;
    return {
      channel,
      round: async () => {
        const former = holder;
        const { took, next } = await handOverFrom(former, channel, simulator);
        holder = next;
        await queueUp(former);
        await rest(kind, client, channel, PAUSE_MS);
        return took;
      },
      close: channel.close,
    };
  };
}

/** From just after the holder's `silent` was accepted until the platform lets the next one speak, ms. */
async function handOverFrom(
  holder: Speaker,
  channel: Channel,
  simulator: World['simulator'],
): Promise<{ took: number; next: Speaker }> {
  const watch = new PlatformWatch(simulator, channel.interactionId);
  await holder.silent();
  const acceptedAtMs = Date.now();
  const { monitorSessionId, atMs } = await watch.first('barge');
  const next = channel.speakers.find((speaker) => speaker.monitorSessionId === monitorSessionId);
  if (next === undefined) throw new Error(`Expected a leg of this channel to speak, got ${monitorSessionId}`);
  return { took: atMs - acceptedAtMs, next };
}

async function queueUp(speaker: Speaker): Promise<void> {
  await speaker.barge();
  await until(`${speaker.workflowId} is in line`, IN_LINE_EVERY_MS, async () =>
    (await speaker.isWaiting()) ? true : undefined,
  );
}
