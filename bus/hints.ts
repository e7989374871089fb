import type { SessionAnnouncement } from '../domain/announcements.js';
import { sessionHint } from '../domain/notifications.js';
import type { SessionHint } from '../domain/notifications.js';
import type { SampleBatch } from './samples.js';

/** Where workers say that sessions change. What cannot be said is lost: APIs list sessions as well. */
export interface HintSink {
  publish(hint: SessionHint): void;
  /** @param batch as `sampleBatches` makes it: text, so that it is made once for all sinks */
  publishSamples(batch: string): void;
  close(): Promise<void>;
}

/** Where APIs hear of it. */
export interface HintSource {
  /** Whether hints come at all at the moment. */
  readonly isUp: boolean;
  /** @returns no longer listens */
  listen(listener: HintListener): () => void;
}

export interface HintListener {
  hint(hint: SessionHint): void;
  /** Some may have been lost. */
  gap(): void;
  /** How legs are heard; of what is lost nobody is told. */
  samples(batch: SampleBatch): void;
}

/** An announcement as it is told to other processes. */
export function hintOf(announcement: SessionAnnouncement, run: string): SessionHint {
  return sessionHint.parse({ ...announcement, run });
}

/** The hint that another process has sent; `undefined` for what is none. */
export function parseHint(message: unknown): SessionHint | undefined {
  return sessionHint.safeParse(message).data;
}
