import type { LegSample, MediaSample } from '../domain/notifications.js';
import type { SessionSnapshot } from '../domain/session.js';

/** Samples of one session that are remembered: five minutes where one comes every 5 s. */
const KEPT_OF_A_SESSION = 60;

/** Of all sessions, as long as each has one: some 6 MB, which is also the most that somebody is sent to begin with. */
const KEPT = 30_000;

/** A sample as it goes out: made into text once, for however many listen. */
interface ToldSample {
  readonly session: SessionSnapshot;
  readonly text: string;
}

interface KeptOfSession {
  readonly monitorSessionId: string;
  readonly texts: string[];
  /** Of the last one. */
  sampledAt: string;
}

/** The latest samples of running sessions, for who begins to listen. Where there are very many, each has the same share. */
export class SampleMemory {
  readonly #sessions = new Map<string, KeptOfSession>();
  #share = KEPT_OF_A_SESSION;

  /** @returns the sample as text; `undefined` where it came before */
  add(sample: LegSample): string | undefined {
    const { sessionId, monitorSessionId, sampledAt } = sample;
    let kept = this.#sessions.get(sessionId);
    if (kept?.monitorSessionId !== monitorSessionId) {
      // The first one of this session; what there is was of an earlier one under the same id.
      kept = { monitorSessionId, texts: [], sampledAt: '' };
      this.#sessions.set(sessionId, kept);
      this.#shareOut();
    }
    if (kept.sampledAt === sampledAt) return undefined;
    kept.sampledAt = sampledAt;
    const text = JSON.stringify(toMessage(sample));
    kept.texts.push(text);
    if (kept.texts.length > this.#share) kept.texts.shift();
    return text;
  }

  /** Those of a session, the oldest first. */
  of(sessionId: string): readonly string[] {
    return this.#sessions.get(sessionId)?.texts ?? [];
  }

  /** The session is over. */
  forget(sessionId: string): void {
    if (this.#sessions.delete(sessionId)) this.#shareOut();
  }

  #shareOut(): void {
    const before = this.#share;
    this.#share = Math.max(1, Math.min(KEPT_OF_A_SESSION, Math.floor(KEPT / this.#sessions.size)));
    if (this.#share >= before) return;
    for (const { texts } of this.#sessions.values()) texts.splice(0, texts.length - this.#share);
  }
}

function toMessage({ sessionId, sampledAt, packetLoss, jitterMs, roundTripMs, quality }: LegSample): MediaSample {
  const measures = { sessionId, sampledAt, packetLoss, jitterMs, roundTripMs };
  return quality === null ? measures : { ...measures, quality };
}

/** Samples that go out as one message, to those whom their sessions concern. */
export class ToldSamples {
  readonly #at: string;
  readonly #samples: readonly ToldSample[];
  #textOfAll: string | undefined;

  constructor(at: string, samples: readonly ToldSample[]) {
    this.#at = at;
    this.#samples = samples;
  }

  /** The message for somebody; `undefined` where none of it concerns them. */
  textFor(concerns: (session: SessionSnapshot) => boolean): string | undefined {
    const theirs = this.#samples.filter(({ session }) => concerns(session));
    if (theirs.length === 0) return undefined;
    if (theirs.length < this.#samples.length) return samplesText(this.#at, theirs.map(textOf));
    return (this.#textOfAll ??= samplesText(this.#at, theirs.map(textOf)));
  }
}

function textOf({ text }: ToldSample): string {
  return text;
}

/** A `samplesMessage` of samples that are texts already. */
export function samplesText(at: string, samples: readonly string[]): string {
  return `{"type":"samples","at":${JSON.stringify(at)},"samples":[${samples.join(',')}]}`;
}
