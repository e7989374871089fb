import { z } from 'zod';
import { apiError, interactionEnded, interactionNotFound, monitorNotFound, type ApiAnswer } from './api-answer.js';
import { isLive, modeSchema, type Leg, type Mode } from './model.js';
import type { PlatformCore } from './platform-core.js';

/** The bodies of `POST /api/v2/interactions/telephony/monitor` (`platform-api.md`, Monitor commands). */
export const monitorCommandSchema = z.discriminatedUnion('action', [
  z.object({ action: z.literal('start'), interactionId: z.string(), mediaServerGroupId: z.string().nullish() }),
  z.object({
    action: z.enum(['barge', 'whisper', 'silent', 'stop']),
    interactionId: z.string(),
    monitorSessionId: z.string(),
  }),
]);
export type MonitorCommand = z.output<typeof monitorCommandSchema>;

/** Who sends a command, in which request. */
export interface Sender {
  readonly clientId: string;
  readonly requestSeq: number;
}

/** Carries a command out and answers it. A `start` is deliberately not idempotent: every accepted one makes another leg. */
export function executeMonitorCommand(core: PlatformCore, command: MonitorCommand, sender: Sender): ApiAnswer {
  const interaction = core.interactions.get(command.interactionId);
  if (interaction === undefined) return interactionNotFound();
  if (interaction.endedAtMs !== null) return interactionEnded();

  if (command.action === 'start') {
    const leg = core.startLeg({ interaction, mediaServerGroupId: command.mediaServerGroupId ?? undefined, ...sender });
    if (leg === null) {
      return apiError(409, 'media.server.group.unavailable', 'No media server group can take the leg; none was made.');
    }
    const { monitorSessionId, interactionId } = leg;
    return { status: 202, body: { monitorSessionId, interactionId, status: 'pending' } };
  }

  const leg = core.legs.get(command.monitorSessionId);
  if (leg === undefined || leg.interactionId !== interaction.id) return monitorNotFound();
  return command.action === 'stop' ? stop(core, leg) : changeMode(core, leg, command.action, sender);
}

function stop(core: PlatformCore, leg: Leg): ApiAnswer {
  // Repeating a stop that holds answers the same body, as every repeated action does; a leg that ended otherwise is gone.
  if (!isLive(leg) && leg.endedBy !== 'stop') return monitorNotFound();
  core.legs.end(leg, 'stop');
  const { monitorSessionId, interactionId } = leg;
  return { status: 200, body: { monitorSessionId, interactionId, status: 'terminated' } };
}

function changeMode(core: PlatformCore, leg: Leg, mode: Mode, sender: Sender): ApiAnswer {
  if (!isLive(leg)) return monitorNotFound();
  if (leg.status === 'pending') {
    return apiError(409, 'monitor.not.active', 'The leg is not active yet; its mode cannot change.');
  }
  const holder = mode === 'silent' ? undefined : core.exclusiveLeg(leg.interactionId, leg);
  if (holder !== undefined) {
    return apiError(409, 'barge.conflict', 'Another leg of the interaction is in barge or whisper.', {
      conflictingMonitorSessionId: holder.monitorSessionId,
    });
  }
  core.legs.setMode(leg, mode, sender.requestSeq);
  const { monitorSessionId, interactionId, status } = leg;
  return { status: 200, body: { monitorSessionId, interactionId, status, mode: leg.mode } };
}

/** Whether the command asks for a mode, as against starting or stopping a leg. */
export function isModeChange(command: MonitorCommand): boolean {
  return modeSchema.safeParse(command.action).success;
}
