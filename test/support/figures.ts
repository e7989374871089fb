import { appendFileSync } from 'node:fs';

/** Notes a measured figure down where `EARSHOT_FIGURES` names a file; tests assert only what holds on any machine. */
export function figure(what: string, value: string | number): void {
  const file = process.env['EARSHOT_FIGURES'];
  if (file !== undefined) appendFileSync(file, `${what}: ${value}\n`);
}

/** Milliseconds, smallest first, and the middle one. */
export function spread(samplesMs: readonly number[]): string {
  const sorted = samplesMs.map((ms) => Math.round(ms)).toSorted((one, other) => one - other);
  return `p50 ${Math.round(median(samplesMs))} ms (${sorted.join(', ')})`;
}

export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((one, other) => one - other);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) throw new Error('Expected at least one sample, got none');
  return middle;
}

/** @param part 0 to 1 */
export function percentile(samplesMs: readonly number[], part: number): number {
  const sorted = samplesMs.toSorted((one, other) => one - other);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN);
}
