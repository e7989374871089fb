import { until } from '../until.js';
import type { Contender } from './contender.js';
import { isAccepted } from './service-client.js';

/** A session that listens. */
export interface Listener {
  readonly interactionId: string;
  readonly sessionId: string;
  readonly leg: string;
}

const LOOK_EVERY_MS = 100;

/** Starts a session and waits until it listens; fails where it does not. */
export async function listen(
  { service, name }: Contender,
  interactionId: string,
  supervisorId: string,
): Promise<Listener> {
  const answer = await service.start(interactionId, supervisorId);
  if (!isAccepted(answer)) throw new Error(`${name}: start answered ${answer.status} ${JSON.stringify(answer.body)}`);
  const sessionId = `session~${interactionId}~${supervisorId}`;
  const leg = await until(`${sessionId} of ${name} listens`, LOOK_EVERY_MS, async () => {
    const session = await service.session(sessionId);
    return session?.state === 'SILENT' ? (session.monitorSessionId ?? undefined) : undefined;
  });
  return { interactionId, sessionId, leg };
}
