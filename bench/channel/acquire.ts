import type { Channel, Pattern } from './exclusive-channel.js';
import { PlatformWatch } from './platform-watch.js';
import { rest, untilQuiet } from './quiet.js';
import type { Rest } from './quiet.js';
import type { Scenario } from './scenario.js';
import type { World } from './world.js';

/** Nobody waits, so there is nothing that is put off. */
const PAUSE_MS = 250;

/** One supervisor alone on a call barges for the first time: the lock's workflow doesn't run yet. */
export function firstOnTheCall({ client, simulator }: World): (pattern: Pattern) => Promise<Scenario> {
  return (pattern) =>
    Promise.resolve({
      channel: undefined,
      round: async () => {
        const channel = await pattern.open(1);
        await untilQuiet(client, channel, PAUSE_MS);
        const took = await change(channel, 'barge', simulator);
        await untilQuiet(client, channel, PAUSE_MS);
        await channel.close();
        return took;
      },
      close: () => Promise.resolve(),
    });
}

/** One supervisor alone on a call barges again and again. */
export function againOnTheCall({ client, simulator }: World, kind: Rest): (pattern: Pattern) => Promise<Scenario> {
  return async (pattern) => {
    const channel = await pattern.open(1);
    return {
      channel,
      round: async () => {
        const took = await change(channel, 'barge', simulator);
        await rest(kind, client, channel, PAUSE_MS);
        await change(channel, 'silent', simulator);
        await rest(kind, client, channel, PAUSE_MS);
        return took;
      },
      close: channel.close,
    };
  };
}

/** From just before the command is sent until the platform has put the leg into the mode, ms. */
async function change(channel: Channel, mode: 'barge' | 'silent', simulator: World['simulator']): Promise<number> {
  const [speaker] = channel.speakers;
  if (speaker === undefined) throw new Error('Expected a speaker, got none');
  const watch = new PlatformWatch(simulator, channel.interactionId);
  const sentAtMs = Date.now();
  await speaker[mode]();
  const applied = await watch.first(mode);
  return applied.atMs - sentAtMs;
}
