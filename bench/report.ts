import type { Goal } from './goals.js';
import type { EventCount } from './event-count.js';
import type { Row } from './result.js';
import { timeRatio, totalEvents } from './result.js';

const NOTES = [
  'acquired: from just before a client sends `barge` until the platform has applied it.',
  'hand-over: from just after the holder’s `silent` was accepted until the platform has applied the next one’s barge.',
  'back to back: one sample follows the other. quiet: nothing is left to do before each; Earshot tells those who have moved up in that pause.',
  'Events are those of one acquire and release: in all supervisors’ workflows + in the mutex’s (the lock’s).',
];

/** The result as plain text. */
export function report(context: string, rows: readonly Row[], goals: readonly Goal[]): string {
  const times = rows.map((row) => {
    const { earshot, sample } = row.measured;
    const cells = [earshot.time.p50, earshot.time.p95, sample.time.p50, sample.time.p95].map((ms) => ms.toFixed(0));
    return [nameOf(row), ...cells, timeRatio(row).toFixed(2)];
  });
  const events = rows.flatMap((row) => {
    const { earshot, sample } = row.measured;
    if (row.rest !== 'quiet' || earshot.events === undefined || sample.events === undefined) return [];
    const cells = [...eventCells(earshot.events), ...eventCells(sample.events)];
    return [[row.title, ...cells, eventRatio(earshot.events, sample.events)]];
  });
  return [
    context,
    '',
    ...table(['ms', 'Earshot p50', 'p95', 'sample p50', 'p95', 'sample / Earshot'], times),
    '',
    ...table(['history events', 'Earshot', 'total', 'sample', 'total', 'sample / Earshot'], events),
    '',
    ...NOTES,
    '',
    ...goals.map(({ goal, measured, isMet }) => `${isMet ? 'met   ' : 'MISSED'} ${goal} (${measured.toFixed(2)})`),
  ].join('\n');
}

function nameOf({ title, rest }: Row): string {
  return `${title}, ${rest}`;
}

function eventCells(events: EventCount): [string, string] {
  return [`${events.speakers.toFixed(1)} + ${events.lock.toFixed(1)}`, totalEvents(events).toFixed(1)];
}

function eventRatio(earshot: EventCount, sample: EventCount): string {
  return (totalEvents(sample) / totalEvents(earshot)).toFixed(2);
}

/** First column to the left, the others to the right. */
function table(head: readonly string[], body: readonly (readonly string[])[]): string[] {
  const lines = [head, ...body];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines.map((line) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('   '),
  );
}
