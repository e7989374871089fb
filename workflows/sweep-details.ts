import type { SweepReport } from '../domain/sweep.js';

/** What the sweep has found, in a few lines of Markdown, for people who look at it in Temporal's UI. */
export function describeSweep({ intervalMs, sweep, round }: SweepReport): string {
  const facts = [
    `Every ${intervalMs / 1_000} s`,
    sweep.at === null
      ? 'No sweep is done yet'
      : `Swept at ${sweep.at}: ${sweep.interactions} calls that were over on ${sweep.pages} pages, ${sweep.sessionsTold} sessions told`,
    round.at === null
      ? 'Sessions and legs have not been compared yet'
      : `Compared at ${round.at}: ${round.interactions} interactions in ${round.tookMs / 1_000} s with ${round.calls} calls, ${round.sessionsTold} sessions told, ${round.legsStopped} orphaned legs stopped, ${round.legsUnknown} unknown`,
  ];
  if (sweep.trouble !== null) facts.push(`**The last sweep failed**: ${sweep.trouble}`);
  if (round.trouble !== null) facts.push(`**The last comparison failed**: ${round.trouble}`);
  return facts.map((fact) => `${fact}  `).join('\n');
}
