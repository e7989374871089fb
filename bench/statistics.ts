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
