import { z } from 'zod';
import { legSample } from '../domain/notifications.js';
import type { LegSample } from '../domain/notifications.js';

/**
 * Samples as they are told to other processes: one text for many, a sample a row without names, because there may be a
 * thousand of them every second. Readers pass over kinds that they do not know, and over what newer rows have at their end.
 */

/** Longest text, characters, but for a single row that is longer: a socket that takes what it says never has a MiB unsent at once. */
const BATCH_LIMIT = 192 * 1_024;

const { sessionId, monitorSessionId, sampledAt, packetLoss, jitterMs, roundTripMs, quality } = legSample.shape;
const row = z
  .tuple([sessionId, monitorSessionId, sampledAt, packetLoss, jitterMs, roundTripMs, quality.catch(null)])
  .rest(z.unknown());
type Row = [string, string, string, number, number, number, LegSample['quality']];

const message = z.object({ kind: z.literal('samples'), at: z.string(), samples: z.array(row) });

/** What came in one text. */
export interface SampleBatch {
  /** When it was told. */
  readonly at: string;
  readonly samples: readonly LegSample[];
}

/** Some samples as texts, as few as may be; none for none. */
export function sampleBatches(samples: readonly LegSample[], at = new Date().toISOString()): string[] {
  const batches: string[] = [];
  const head = `{"kind":"samples","at":${JSON.stringify(at)},"samples":[`;
  let rows: string[] = [];
  let length = 0;
  const close = (): void => {
    if (rows.length > 0) batches.push(`${head}${rows.join(',')}]}`);
    rows = [];
    length = 0;
  };
  for (const sample of samples) {
    const text = JSON.stringify(rowOf(sample));
    if (length + text.length > BATCH_LIMIT) close();
    rows.push(text);
    length += text.length + 1;
  }
  close();
  return batches;
}

function rowOf(sample: LegSample): Row {
  return [
    sample.sessionId,
    sample.monitorSessionId,
    sample.sampledAt,
    sample.packetLoss,
    sample.jitterMs,
    sample.roundTripMs,
    sample.quality,
  ];
}

/** The samples that another process has sent; `undefined` for what is none. */
export function parseSamples(text: string): SampleBatch | undefined {
  const batch = message.safeParse(parsedJson(text)).data;
  if (batch === undefined) return undefined;
  const samples = batch.samples.map(
    ([sessionId, monitorSessionId, sampledAt, packetLoss, jitterMs, roundTripMs, quality]): LegSample => ({
      sessionId,
      monitorSessionId,
      sampledAt,
      packetLoss,
      jitterMs,
      roundTripMs,
      quality,
    }),
  );
  return { at: batch.at, samples };
}

/** `undefined` for what is none. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
