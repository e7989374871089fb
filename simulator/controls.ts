import { z } from 'zod';
import { accessDenialSchema, type FrontDoor } from './admission.js';
import { platformHabitsSchema } from './api-queries.js';
import { eventFaultsSchema, type EventPublisher } from './event-publisher.js';
import type { EventStream } from './event-stream.js';
import { activationDelaySchema, legFaultSchema } from './leg-faults.js';
import {
  endReasonSchema,
  identifierSchema,
  isLive,
  mediaConditionsSchema,
  mediaServerGroupSchema,
  modeSchema,
  type Leg,
} from './model.js';
import type { PlatformCore } from './platform-core.js';
import { drawPeople } from './population.js';
import type { Random } from './random.js';
import { rateLimitSchema } from './rate-limiter.js';
import { requestFaultSchema, type RequestFaults, type SetFault } from './request-faults.js';
import type { TokenStore } from './token-store.js';
import { webhookSchema, type WebhookSender } from './webhook-sender.js';

/** What a control was asked for doesn't exist or isn't possible. */
export class ControlError extends Error {
  readonly code = 'control.refused';
  override readonly name = 'ControlError';
}

/** Whose the legs of `outsideLeg` are: another integration, or the platform's own desktop. */
export const OUTSIDE_CLIENT_ID = 'outside-desktop';

const groupChangeSchema = mediaServerGroupSchema
  .pick({ state: true, capacity: true })
  .partial()
  .extend({ id: identifierSchema });

/** The bodies of all controls; `Controls` has a method per entry. */
export const controlSchemas = {
  addInteraction: z.strictObject({
    id: identifierSchema.optional(),
    agentId: z.string().optional(),
    queueName: z.string().optional(),
    customer: z.string().optional(),
    primaryGroupId: z.string().optional(),
    durationSeconds: z.number().positive().optional(),
  }),
  /** `announce: false`: no event tells of it. `leaveLegs`: a platform that forgets to sever. */
  endInteraction: z.strictObject({
    interactionId: z.string(),
    reason: endReasonSchema.default('hangup'),
    announce: z.boolean().default(true),
    leaveLegs: z.boolean().default(false),
  }),
  /** Severs one leg, or all of an interaction, as a transfer does: without an `ended` event; `announce: false`: without any. */
  sever: z
    .strictObject({
      interactionId: z.string().optional(),
      monitorSessionId: z.string().optional(),
      announce: z.boolean().default(true),
    })
    .refine((target) => target.interactionId !== undefined || target.monitorSessionId !== undefined, 'expected an id'),
  /** `force`: it takes the channel although another leg holds it, which the platform never does. */
  outsideLeg: z.strictObject({
    interactionId: z.string(),
    mode: modeSchema.default('barge'),
    force: z.boolean().default(false),
  }),
  releaseOutsideLeg: z.strictObject({ monitorSessionId: z.string(), how: z.enum(['silent', 'stop']).default('stop') }),
  addFault: requestFaultSchema,
  removeFault: z.strictObject({ id: z.string() }),
  addLegFault: legFaultSchema,
  setEventFaults: eventFaultsSchema,
  setActivationDelay: activationDelaySchema,
  setRateLimit: rateLimitSchema,
  setHabits: platformHabitsSchema,
  setTokenLifetime: z.strictObject({ seconds: z.number().positive().max(604_800) }),
  revokeTokens: z.strictObject({ clientId: z.string().optional() }),
  /** `denial: null` gives the right back. */
  setAccess: z.strictObject({ clientId: z.string(), denial: accessDenialSchema.nullable() }),
  setMediaServerGroup: groupChangeSchema,
  /** Moves an interaction to another group; its legs stay where they are, and sound worse. */
  failOver: z.strictObject({ interactionId: z.string(), toGroupId: z.string() }),
  /** Of one leg; `conditions: null`: as its distance makes them. */
  setMediaConditions: z.strictObject({
    monitorSessionId: z.string(),
    conditions: mediaConditionsSchema.nullable(),
  }),
  /** What the client of whoever listens lets the leg have, as after it has applied a profile. */
  setLegBitrate: z.strictObject({ monitorSessionId: z.string(), bitrateBps: z.number().positive().nullable() }),
  setWebhook: webhookSchema.nullable(),
} as const;
type Input<Name extends keyof typeof controlSchemas> = z.input<(typeof controlSchemas)[Name]>;

export interface ControlsOptions {
  readonly core: PlatformCore;
  readonly door: FrontDoor;
  readonly faults: RequestFaults;
  readonly publisher: EventPublisher;
  readonly stream: EventStream;
  readonly webhook: WebhookSender;
  readonly tokens: TokenStore;
  /** Draws what `addInteraction` leaves open. */
  readonly addedInteractions: Random;
  readonly setRateLimit: (rateLimit: z.output<typeof rateLimitSchema>) => void;
  readonly setHabits: (habits: z.output<typeof platformHabitsSchema>) => void;
  /** Back to the options the simulator was started with. */
  readonly restoreDefaults: () => void;
  /** Forgets interactions, legs and ledger, and begins the population anew. */
  readonly startOver: () => void;
  readonly onChange: () => void;
}

/** Sets faults and moves the platform about. Bad arguments throw a `ZodError`, unknown ids a `ControlError`. */
export class Controls {
  readonly #options: ControlsOptions;

  constructor(options: ControlsOptions) {
    this.#options = options;
  }

  /** Connects an interaction; what is left out is made up. Answers its id. */
  addInteraction(input: Input<'addInteraction'> = {}): { interactionId: string } {
    const asked = controlSchemas.addInteraction.parse(input);
    const draw = this.#options.addedInteractions;
    const people = drawPeople(draw);
    if (asked.primaryGroupId !== undefined) this.#group(asked.primaryGroupId);
    const interaction = this.#options.core.addInteraction({
      id: asked.id,
      agentId: asked.agentId ?? people.agentId,
      queueName: asked.queueName ?? people.queueName,
      customer: asked.customer ?? people.customer,
      primaryGroupId: asked.primaryGroupId,
      durationSeconds: asked.durationSeconds,
      populated: false,
      draw,
    });
    if (interaction === null) throw new ControlError(`Expected \`id\` to be free, got \`${asked.id ?? ''}\``);
    return { interactionId: interaction.id };
  }

  endInteraction(input: Input<'endInteraction'>): void {
    const { interactionId, reason, ...how } = controlSchemas.endInteraction.parse(input);
    this.#options.core.endInteraction(this.#interaction(interactionId), reason, how);
  }

  /** Answers how many legs were severed. */
  sever(input: Input<'sever'>): { severed: number } {
    const { interactionId, monitorSessionId, announce } = controlSchemas.sever.parse(input);
    const legs =
      monitorSessionId === undefined
        ? this.#options.core.legs.of(this.#interaction(interactionId ?? '').id).filter(isLive)
        : [this.#leg(monitorSessionId)];
    for (const leg of legs) this.#options.core.legs.end(leg, 'severed', announce);
    return { severed: legs.length };
  }

  /** A leg of another client, active at once; refused while another leg holds the channel, unless forced. */
  outsideLeg(input: Input<'outsideLeg'>): { monitorSessionId: string } {
    const { interactionId, mode, force } = controlSchemas.outsideLeg.parse(input);
    const { core } = this.#options;
    const interaction = this.#interaction(interactionId);
    if (interaction.endedAtMs !== null) throw new ControlError('Expected the interaction to be connected');
    if (mode !== 'silent' && !force && core.exclusiveLeg(interactionId) !== undefined) {
      throw new ControlError('Another leg holds the channel already');
    }
    const start = { interaction, clientId: OUTSIDE_CLIENT_ID, mediaServerGroupId: undefined, requestSeq: null };
    const leg = core.startLeg(start);
    if (leg === null) throw new ControlError('No media server group can take the leg');
    core.legs.activate(leg);
    core.legs.setMode(leg, mode, null);
    return { monitorSessionId: leg.monitorSessionId };
  }

  /** Ends an outside leg, or only gives its channel back. */
  releaseOutsideLeg(input: Input<'releaseOutsideLeg'>): void {
    const { monitorSessionId, how } = controlSchemas.releaseOutsideLeg.parse(input);
    const leg = this.#leg(monitorSessionId);
    if (how === 'stop') this.#options.core.legs.end(leg, 'stop');
    else this.#options.core.legs.setMode(leg, 'silent', null);
  }

  /** Sets a request fault; answers its id. Once, unless `times` or `probability` say otherwise. */
  addFault(input: Input<'addFault'>): { id: string } {
    return { id: this.#options.faults.add(controlSchemas.addFault.parse(input)) };
  }

  removeFault(input: Input<'removeFault'>): { removed: boolean } {
    return { removed: this.#options.faults.remove(controlSchemas.removeFault.parse(input).id) };
  }

  /** The request faults that are set, with how often each has hit. */
  listFaults(): SetFault[] {
    return this.#options.faults.list();
  }

  addLegFault(input: Input<'addLegFault'>): void {
    this.#options.core.legFaults.add(controlSchemas.addLegFault.parse(input));
  }

  setEventFaults(input: Input<'setEventFaults'>): void {
    this.#options.publisher.setFaults(controlSchemas.setEventFaults.parse(input));
  }

  /** Takes all request, leg and event faults away. */
  clearFaults(): void {
    this.#options.faults.clear();
    this.#options.core.legFaults.clear();
    this.#options.publisher.setFaults(null);
  }

  setActivationDelay(input: Input<'setActivationDelay'>): void {
    this.#options.core.activationDelayMs = controlSchemas.setActivationDelay.parse(input);
  }

  setRateLimit(input: Input<'setRateLimit'>): void {
    this.#options.setRateLimit(controlSchemas.setRateLimit.parse(input));
  }

  setHabits(input: Input<'setHabits'>): void {
    this.#options.setHabits(controlSchemas.setHabits.parse(input));
  }

  /** For tokens issued from now on. */
  setTokenLifetime(input: Input<'setTokenLifetime'>): void {
    this.#options.tokens.lifetimeSeconds = controlSchemas.setTokenLifetime.parse(input).seconds;
  }

  /** Revokes the tokens of one client or of all, and closes the event streams they opened. */
  revokeTokens(input: Input<'revokeTokens'> = {}): { revoked: number } {
    const revoked = this.#options.tokens.revoke(controlSchemas.revokeTokens.parse(input).clientId);
    this.#options.stream.closeRevoked();
    return { revoked };
  }

  setAccess(input: Input<'setAccess'>): void {
    const { clientId, denial } = controlSchemas.setAccess.parse(input);
    this.#options.door.setAccess(clientId, denial);
  }

  setMediaServerGroup(input: Input<'setMediaServerGroup'>): void {
    const { id, state, capacity } = controlSchemas.setMediaServerGroup.parse(input);
    const group = this.#group(id);
    group.state = state ?? group.state;
    group.capacity = capacity ?? group.capacity;
    this.#options.onChange();
  }

  failOver(input: Input<'failOver'>): void {
    const { interactionId, toGroupId } = controlSchemas.failOver.parse(input);
    this.#interaction(interactionId).primaryGroupId = this.#group(toGroupId).id;
    this.#options.onChange();
  }

  setMediaConditions(input: Input<'setMediaConditions'>): void {
    const { monitorSessionId, conditions } = controlSchemas.setMediaConditions.parse(input);
    this.#options.core.mediaServers.setConditions(this.#leg(monitorSessionId), conditions);
  }

  setLegBitrate(input: Input<'setLegBitrate'>): void {
    const { monitorSessionId, bitrateBps } = controlSchemas.setLegBitrate.parse(input);
    this.#leg(monitorSessionId).bitrateBps = bitrateBps;
    this.#options.onChange();
  }

  setWebhook(input: Input<'setWebhook'>): void {
    this.#options.webhook.configure(controlSchemas.setWebhook.parse(input));
  }

  /** Drops all event stream connections, as a network would. */
  disconnectStreams(): { dropped: number } {
    return { dropped: this.#options.stream.dropAll() };
  }

  /** Publishes a sample of every active leg's media quality now. */
  publishMediaMetrics(): void {
    this.#options.core.publishMediaMetrics();
  }

  /** As freshly started: no faults, settings as in the options, no interactions, legs or ledger but a new population. Tokens stay valid. */
  reset(): void {
    this.clearFaults();
    this.#options.restoreDefaults();
    this.#options.startOver();
    this.#options.onChange();
  }

  #interaction(id: string): NonNullable<ReturnType<PlatformCore['interactions']['get']>> {
    const interaction = this.#options.core.interactions.get(id);
    if (interaction === undefined) throw new ControlError(`Expected a known interaction, got \`${id}\``);
    return interaction;
  }

  #leg(id: string): Leg {
    const leg = this.#options.core.legs.get(id);
    if (leg === undefined || !isLive(leg)) throw new ControlError(`Expected a live leg, got \`${id}\``);
    return leg;
  }

  #group(id: string): NonNullable<ReturnType<PlatformCore['mediaServers']['get']>> {
    const group = this.#options.core.mediaServers.get(id);
    if (group === undefined) {
      const known = this.#options.core.mediaServers.all().map((one) => one.id);
      throw new ControlError(`Expected one of ${known.join(', ')}, got \`${id}\``);
    }
    return group;
  }
}
