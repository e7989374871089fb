import { z } from 'zod';
import type { Clock } from './clock.js';
import { isoTime, type EndReason, type Interaction } from './model.js';

/** A question for a page of interactions (`platform-api.md`, Interactions). */
export interface InteractionQuery {
  readonly status: 'connected' | 'ended' | undefined;
  readonly pageSize: number;
  readonly cursor: string | undefined;
  readonly endedAfterMs: number | undefined;
}

export interface InteractionPage {
  readonly entities: readonly Interaction[];
  readonly nextCursor: string | null;
}

const cursorSchema = z.object({ status: z.enum(['connected', 'ended', 'all']), after: z.int() });

/**
 * All interactions: the connected ones, and the ended ones for as long as they stay listed. The ended are kept in the
 * order of their endings, so that a purge only ever looks at the oldest.
 */
export class InteractionBook {
  readonly #clock: Clock;
  readonly #endedListedMs: number;
  readonly #connected = new Map<string, Interaction>();
  readonly #ended = new Map<string, Interaction>();
  #order = 0;
  #endOrder = 0;

  constructor(clock: Clock, endedListedSeconds: number) {
    this.#clock = clock;
    this.#endedListedMs = endedListedSeconds * 1000;
  }

  add(fields: Omit<Interaction, 'order' | 'endOrder' | 'endedAtMs' | 'endReason'>): Interaction {
    this.#order += 1;
    const interaction: Interaction = {
      ...fields,
      order: this.#order,
      endOrder: null,
      endedAtMs: null,
      endReason: null,
    };
    this.#connected.set(interaction.id, interaction);
    return interaction;
  }

  /** The interaction, connected or ended and still listed. */
  get(id: string): Interaction | undefined {
    this.#purge();
    return this.#connected.get(id) ?? this.#ended.get(id);
  }

  connected(): Interaction[] {
    return [...this.#connected.values()];
  }

  end(interaction: Interaction, reason: EndReason): void {
    this.#endOrder += 1;
    interaction.endOrder = this.#endOrder;
    interaction.endedAtMs = this.#clock.nowMs();
    interaction.endReason = reason;
    interaction.plannedEndAtMs = null;
    this.#connected.delete(interaction.id);
    this.#ended.set(interaction.id, interaction);
    this.#purge();
  }

  /** A page, or `null` if the cursor isn't one of ours for this question. */
  list(query: InteractionQuery): InteractionPage | null {
    this.#purge();
    const status = query.status ?? 'all';
    const after = query.cursor === undefined ? 0 : positionOf(query.cursor, status);
    if (after === null) return null;
    const position = (interaction: Interaction): number =>
      status === 'ended' ? (interaction.endOrder ?? 0) : interaction.order;
    const endedAfterMs = query.endedAfterMs;
    const rest = this.#candidates(status).filter(
      (interaction) =>
        position(interaction) > after &&
        (endedAfterMs === undefined || interaction.endedAtMs === null || interaction.endedAtMs > endedAfterMs),
    );
    const entities = rest.slice(0, query.pageSize);
    const last = entities.at(-1);
    const more = last !== undefined && rest.length > entities.length;
    return { entities, nextCursor: more ? cursorAt(status, position(last)) : null };
  }

  snapshot(): Interaction[] {
    this.#purge();
    return [...this.#connected.values(), ...this.#ended.values()];
  }

  restore(interactions: readonly Interaction[]): void {
    for (const interaction of interactions) {
      this.#order = Math.max(this.#order, interaction.order);
      this.#endOrder = Math.max(this.#endOrder, interaction.endOrder ?? 0);
      const home = interaction.endedAtMs === null ? this.#connected : this.#ended;
      home.set(interaction.id, { ...interaction });
    }
  }

  /** Forgets all interactions at once; orders go on rising, so that old cursors stay harmless. */
  clear(): void {
    this.#connected.clear();
    this.#ended.clear();
  }

  #candidates(status: 'connected' | 'ended' | 'all'): Interaction[] {
    if (status === 'connected') return [...this.#connected.values()];
    if (status === 'ended') return [...this.#ended.values()];
    return [...this.#connected.values(), ...this.#ended.values()].sort((a, b) => a.order - b.order);
  }

  #purge(): void {
    const beforeMs = this.#clock.nowMs() - this.#endedListedMs;
    for (const [id, interaction] of this.#ended) {
      if (interaction.endedAtMs === null || interaction.endedAtMs >= beforeMs) break;
      this.#ended.delete(id);
    }
  }
}

/** The interaction as it goes over the wire. */
export function interactionOnWire(interaction: Interaction): object {
  return {
    id: interaction.id,
    status: interaction.endedAtMs === null ? 'connected' : 'ended',
    agentId: interaction.agentId,
    queueName: interaction.queueName,
    customer: interaction.customer,
    startedAt: isoTime(interaction.startedAtMs),
    endedAt: interaction.endedAtMs === null ? null : isoTime(interaction.endedAtMs),
  };
}

function cursorAt(status: string, after: number): string {
  return Buffer.from(JSON.stringify({ status, after })).toString('base64url');
}

function positionOf(cursor: string, status: string): number | null {
  try {
    const parsed = cursorSchema.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
    return parsed.status === status ? parsed.after : null;
  } catch {
    return null;
  }
}
