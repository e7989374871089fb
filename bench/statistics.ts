/** A measured quantity, ms. */
export interface Summary {
  readonly p50: number;
  readonly p95: number;
  readonly samples: readonly number[];
}

export function summarise(samples: readonly number[]): Summary {
  return { p50: percentile(samples, 50), p95: percentile(samples, 95), samples };
}

/** By nearest rank: always a value that was measured. */
export function percentile(samples: readonly number[], percent: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
  if (value === undefined) throw new RangeError('Expected at least one sample, got none');
  return value;
}

/** The middle one; of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [below, above] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  if (below === undefined || above === undefined) throw new RangeError('Expected at least one value, got none');
  return (below + above) / 2;
}
