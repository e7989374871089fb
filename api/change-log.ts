import { randomUUID } from 'node:crypto';
import type { ChangeMessage, ChangeType, SessionHint } from '../domain/notifications.js';
import type { SessionSnapshot } from '../domain/session.js';
import { toResource } from './session-view.js';

/** How many changes can be told again to whoever comes back; of who was away for longer, nothing is known but what runs. */
const KEPT = 10_000;

/** A change as it goes out: made into text once, for however many listen. */
export interface LoggedChange {
  readonly seq: number;
  readonly session: SessionSnapshot;
  readonly text: string;
}

type Details = Partial<Pick<SessionHint, 'at' | 'commandId' | 'mode' | 'position' | 'expiresAt' | 'supersededBy'>>;

/** The changes of one epoch, numbered; the latest are kept. */
export class ChangeLog {
  readonly epoch = randomUUID();
  readonly #kept: LoggedChange[] = [];
  #seq = 0;

  /** The number of the latest change; 0 before the first. */
  get seq(): number {
    return this.#seq;
  }

  add(type: ChangeType, session: SessionSnapshot, { at, ...details }: Details = {}): LoggedChange {
    this.#seq += 1;
    const message: ChangeMessage = {
      type,
      epoch: this.epoch,
      seq: this.#seq,
      at: at ?? new Date().toISOString(),
      sessionId: session.sessionId,
      session: toResource(session),
      ...details,
    };
    const change = { seq: this.#seq, session, text: JSON.stringify(message) };
    this.#kept.push(change);
    if (this.#kept.length > 2 * KEPT) this.#kept.splice(0, KEPT);
    return change;
  }

  /** All changes after one; `undefined` where some of them are not kept any more, or it is of another epoch or the future. */
  since({ epoch, seq }: { readonly epoch: string; readonly seq: number }): readonly LoggedChange[] | undefined {
    const first = this.#kept[0]?.seq ?? this.#seq + 1;
    if (epoch !== this.epoch || seq > this.#seq || seq < first - 1) return undefined;
    return this.#kept.slice(seq - first + 1);
  }
}
