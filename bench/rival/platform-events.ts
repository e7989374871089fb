import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { CleanUp } from './clean-up.js';
import type { PlatformClient } from './platform-client.js';
import { platformEvent } from './wire.js';

const AGAIN_MS = { base: 500, most: 3_000 } as const;

/** Follows the platform's events for as long as the process lives; a connection that breaks is opened again. */
export async function followEvents(baseUrl: string, { tokens }: PlatformClient, cleanUp: CleanUp): Promise<never> {
  for (let waitMs: number = AGAIN_MS.base; ; waitMs = Math.min(waitMs * 2, AGAIN_MS.most)) {
    const token = await tokens.get().catch(() => undefined);
    if (token !== undefined && (await follow(baseUrl, token, cleanUp))) waitMs = AGAIN_MS.base;
    else if (token !== undefined) tokens.reject(token);
    await sleep(waitMs);
  }
}

/** Whether it was open at all. */
function follow(baseUrl: string, token: string, cleanUp: CleanUp): Promise<boolean> {
  return new Promise((resolve) => {
    let wasOpen = false;
    const socket = new WebSocket(`${baseUrl.replace(/^http/, 'ws')}/api/v2/notifications/stream`, {
      headers: { authorization: `Bearer ${token}` },
    });
    socket.on('open', () => {
      wasOpen = true;
      // Something may have been missed.
      void cleanUp.sweep().catch(() => undefined);
    });
    socket.on('message', (data: Buffer) => void hear(data, cleanUp).catch(() => undefined));
    socket.on('error', () => socket.terminate());
    socket.on('close', () => resolve(wasOpen));
  });
}

async function hear(data: Buffer, cleanUp: CleanUp): Promise<void> {
  const { data: event } = platformEvent.safeParse(JSON.parse(data.toString()));
  if (event === undefined) return;
  if (event.topic === 'interaction.telephony.ended') {
    await cleanUp.interactionEnded(event.data.interactionId);
    return;
  }
  const { interactionId, monitorSessionId, status, bargeStatus } = event.data;
  await cleanUp.legChanged(interactionId, monitorSessionId, status, bargeStatus === 'inactive');
}
