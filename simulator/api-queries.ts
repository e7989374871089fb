import { z } from 'zod';
import {
  apiError,
  interactionEnded,
  interactionNotFound,
  invalidRequest,
  monitorNotFound,
  type ApiAnswer,
} from './api-answer.js';
import { interactionOnWire } from './interaction-book.js';
import { groupOnWire } from './media-servers.js';
import { isoTime, type Interaction, type Leg } from './model.js';
import type { PlatformCore } from './platform-core.js';

/** Choices that `platform-api.md` leaves to the platform; a client has to live with each. */
export const platformHabitsSchema = z.strictObject({
  /** What the monitor state of an interaction that has ended (and is still listed) answers. */
  endedStateAnswer: z.union([z.literal(200), z.literal(404), z.literal(410)]).default(410),
  /** `true`: `endedAfter` is ignored and all listed ended interactions are paged through. */
  ignoresEndedAfter: z.boolean().default(false),
  /** `true`: a leg lands elsewhere than in the group that its start names, which is accepted all the same (seed, Edge Case 1). */
  movesLegs: z.boolean().default(false),
});
export type PlatformHabits = z.output<typeof platformHabitsSchema>;

export type QueryParameters = Readonly<Record<string, string>>;

const interactionsQuerySchema = z.object({
  status: z.enum(['connected', 'ended']).optional(),
  pageSize: z.coerce.number().int().min(1).max(500).default(100),
  cursor: z.string().optional(),
  endedAfter: z.iso.datetime({ offset: true }).optional(),
});

/** `GET /api/v2/interactions`. */
export function listInteractions(core: PlatformCore, query: QueryParameters, habits: PlatformHabits): ApiAnswer {
  const parsed = interactionsQuerySchema.safeParse(query);
  if (!parsed.success) return invalidRequest(z.prettifyError(parsed.error));
  const { status, pageSize, cursor, endedAfter } = parsed.data;
  const honoured = endedAfter !== undefined && !habits.ignoresEndedAfter;
  const endedAfterMs = honoured ? Date.parse(endedAfter) : undefined;
  const page = core.interactions.list({ status, pageSize, cursor, endedAfterMs });
  if (page === null) return invalidRequest('The cursor is not one of ours for this question.');
  return { status: 200, body: { entities: page.entities.map(interactionOnWire), nextCursor: page.nextCursor } };
}

/** `GET /api/v2/interactions/{interactionId}/telephony/monitor`. */
export function monitorState(core: PlatformCore, interactionId: string, habits: PlatformHabits): ApiAnswer {
  const interaction = core.interactions.get(interactionId);
  if (interaction === undefined) return interactionNotFound();
  if (interaction.endedAtMs !== null && habits.endedStateAnswer === 404) return interactionNotFound();
  if (interaction.endedAtMs !== null && habits.endedStateAnswer === 410) return interactionEnded();
  const exclusive = core.exclusiveLeg(interactionId);
  return {
    status: 200,
    body: {
      interactionId,
      bargeStatus: exclusive === undefined ? 'inactive' : 'active',
      bargeMonitorSessionId: exclusive?.monitorSessionId ?? null,
      monitors: core.legs.of(interactionId).map(legOnWire),
    },
  };
}

/** `GET /api/v2/telephony/providers/media-server-groups`. */
export function listMediaServerGroups(core: PlatformCore, query: QueryParameters): ApiAnswer {
  const interactionId = query['interactionId'];
  let interaction: Interaction | undefined;
  if (interactionId !== undefined) {
    interaction = core.interactions.get(interactionId);
    if (interaction === undefined) return interactionNotFound();
    if (interaction.endedAtMs !== null) return interactionEnded();
  }
  return { status: 200, body: { entities: core.mediaServers.all().map((group) => groupOnWire(group, interaction)) } };
}

/** `GET /api/v2/interactions/{interactionId}/telephony/media-metrics`. */
export function mediaMetrics(core: PlatformCore, interactionId: string, query: QueryParameters): ApiAnswer {
  const interaction = core.interactions.get(interactionId);
  if (interaction === undefined) return interactionNotFound();
  if (interaction.endedAtMs !== null) return interactionEnded();
  const monitorSessionId = query['monitorSessionId'];
  if (monitorSessionId === undefined) return invalidRequest('monitorSessionId: required');
  const leg = core.legs.get(monitorSessionId);
  if (leg?.interactionId !== interactionId) return monitorNotFound();
  if (leg.status === 'pending') return apiError(409, 'monitor.not.active', 'The leg is not active yet.');
  if (leg.status !== 'active') return monitorNotFound();
  return { status: 200, body: core.mediaServers.measure(leg, interaction) };
}

function legOnWire(leg: Leg): object {
  return {
    monitorSessionId: leg.monitorSessionId,
    status: leg.status,
    mode: leg.mode,
    mediaServerGroupId: leg.mediaServerGroupId,
    clientId: leg.clientId,
    startedAt: isoTime(leg.createdAtMs),
  };
}
