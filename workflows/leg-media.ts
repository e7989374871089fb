import { condition } from '@temporalio/workflow';
import type { ZodError } from 'zod';
import type { SessionEvent } from '../domain/audit-entry.js';
import { mediaNews } from '../domain/media.js';
import type { MediaFallback, SessionMedia } from '../domain/media.js';
import { affinityOf, movedFrom } from '../domain/media-placement.js';
import type { Placement } from '../domain/media-placement.js';
import { isLive } from '../domain/session-record.js';
import type { SessionSnapshot } from '../domain/session.js';
import { MEDIA_QUALITY_SIGNAL } from '../domain/workflow-contract.js';
import type { MadeLeg } from './make-leg.js';
import type { HandledSignal } from './signals-in-order.js';

/** What the media of a leg need of its session. */
export interface MediaSession {
  readonly session: () => SessionSnapshot;
  readonly apply: (event: SessionEvent) => void;
  readonly refuse: (signal: string, error: ZodError) => void;
  readonly publish: () => void;
}

type EventOf<Type extends SessionEvent['type']> = Omit<Extract<SessionEvent, { type: Type }>, 'type' | 'at'>;

/** Where a session's leg is carried, and how well it is heard. */
export class LegMedia {
  readonly #host: MediaSession;
  /** As far as its start has told; nobody knows it of a leg that had to be looked for. */
  #placement: Placement | undefined;
  #published: SessionMedia | null;

  constructor(host: MediaSession) {
    this.#host = host;
    this.#published = host.session().media;
  }

  readonly signal: HandledSignal = {
    name: MEDIA_QUALITY_SIGNAL,
    description: 'The leg is heard better or worse, or should be heard with another profile.',
    handle: (payload) => this.#hear(payload),
  };

  /** For the audit trail: the leg that was made, and where. */
  made({ monitorSessionId, how, placement }: Extract<MadeLeg, { kind: 'made' }>): EventOf<'leg.made'> {
    this.#placement = placement;
    const { mediaServerGroupId = null, home = null, fallback = null } = placement ?? {};
    return {
      monitorSessionId,
      how,
      ...(mediaServerGroupId === null ? {} : { mediaServerGroupId, affinity: affinityOf(home, mediaServerGroupId) }),
      ...told(fallback),
    };
  }

  /**
   * Where the leg is, once it is active.
   * @param seen what the platform says; one that does not tell has taken the leg for the group that was asked for
   */
  whereActive(seen: string | null): Omit<EventOf<'session.active'>, 'mode' | 'bargeStatus'> {
    const placement = this.#placement ?? { mediaServerGroupId: null, home: null, fallback: null };
    const mediaServerGroupId = seen ?? placement.mediaServerGroupId;
    const affinity = affinityOf(placement.home, mediaServerGroupId);
    return { mediaServerGroupId, affinity, ...told(movedFrom(placement, seen)) };
  }

  /** The session shows itself as it is now. */
  published(): void {
    this.#published = this.#host.session().media;
  }

  /**
   * Publishes what the signal has told, until the session ends. Not in its handler: of the messages of one task, updates that
   * were taken along in a reset come in another order at replay (SDK 1.24), and commands must not depend on that.
   */
  async keepPublished(): Promise<void> {
    for (;;) {
      // Bounded by the session's own end.
      await condition(() => this.#host.session().media !== this.#published || !isLive(this.#host.session()));
      if (!isLive(this.#host.session())) return;
      this.#host.publish();
    }
  }

  /** Only of the session's own leg, and while it is heard; what has been told already changes nothing. */
  #hear(payload: unknown): void {
    const news = mediaNews.safeParse(payload);
    if (!news.success) return this.#host.refuse(MEDIA_QUALITY_SIGNAL, news.error);
    const session = this.#host.session();
    const { monitorSessionId, affinity, ...measured } = news.data;
    if (session.media === null || monitorSessionId !== session.monitorSessionId || !isLive(session)) return;
    const at = new Date().toISOString();
    this.#host.apply({ type: 'session.media', at, affinity: affinity ?? session.media.affinity, ...measured });
  }
}

/** A fallback as the audit trail has it. */
function told(fallback: MediaFallback | null): Pick<EventOf<'leg.made'>, 'fallbackReason' | 'wantedGroupId'> {
  if (fallback === null) return {};
  const { wanted, reason: fallbackReason } = fallback;
  return { fallbackReason, ...(wanted === null ? {} : { wantedGroupId: wanted }) };
}
