import type { FaultRow } from './rival-faults.js';
import type { LatencyResult } from './rival-latency.js';
import { table } from './section.js';

/** The table of `npm run bench:rival`, as plain text. */
export function latencyReport(environment: readonly string[], { rows, costs }: LatencyResult): string {
  const names = Object.keys(rows[0]?.of ?? {});
  const [ours = '', ...theirs] = names;
  const head = ['ms: p50 / p95 / p99', ...names, ...theirs.map((name) => `${ours} ÷ ${name}`)];
  const body = rows.map(({ title, of }) => [
    title,
    ...names.map((name) => {
      const cell = of[name];
      return cell === undefined ? '' : [cell.p50, cell.p95, cell.p99].map(short).join(' / ');
    }),
    ...theirs.map((name) => ratio(of[ours]?.p50, of[name]?.p50)),
  ]);
  const cost = costs.map(({ title, of }) => [
    title,
    ...names.map((name) => short(of[name] ?? Number.NaN)),
    ...theirs.map((name) => ratio(of[ours], of[name])),
  ]);
  return [...environment, '', ...table(head, body), '', ...table(['', ...head.slice(1)], cost)].join('\n');
}

/** The table of `npm run bench:rival -- --faults`. */
export function faultReport(environment: readonly string[], rows: readonly FaultRow[]): string {
  const lines = rows.flatMap(({ scenario, of }) => {
    const names = Object.keys(of);
    const counts = [...new Set(Object.values(of).flatMap((one) => Object.keys(one)))];
    const body = counts.map((count) => [`  ${count}`, ...names.map((name) => String(of[name]?.[count] ?? ''))]);
    return ['', ...table([scenario, ...names], body)];
  });
  return [...environment, ...lines].join('\n');
}

function short(value: number): string {
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}

function ratio(ours: number | undefined, theirs: number | undefined): string {
  return ours === undefined || theirs === undefined || theirs === 0 ? '' : (ours / theirs).toFixed(2);
}
