import type { Row } from './result.js';
import { timeRatio } from './result.js';

/** How many times as fast as the sample Earshot has to be while the server has other things to do as well. */
const AS_FAST_AS_SAMPLE = 2;
/** How much longer a hand-over may take in the longest line than in the shortest. */
const LONG_LINE = 1.5;

/** Something that Earshot promises, and what came of it. */
export interface Goal {
  readonly goal: string;
  readonly measured: number;
  readonly isMet: boolean;
}

/** All goals are about medians. */
export function judge(rows: readonly Row[]): Goal[] {
  const speed = rows
    .filter(({ rest }) => rest === 'back to back')
    .map((row): Goal => {
      const ratio = timeRatio(row);
      const goal = `${row.title}, ${row.rest}: at least ${AS_FAST_AS_SAMPLE} times as fast as the sample`;
      return { goal, measured: ratio, isMet: ratio >= AS_FAST_AS_SAMPLE };
    });
  const growth = (['back to back', 'quiet'] as const).flatMap((rest): Goal[] => {
    const handOvers = rows.filter((row) => row.rest === rest && row.id.startsWith('hand-over-'));
    const [shortest, longest] = [handOvers.at(0), handOvers.at(-1)];
    if (shortest === undefined || longest === undefined) return [];
    const measured = longest.measured.earshot.time.p50 / shortest.measured.earshot.time.p50;
    const goal = `Earshot, ${longest.title}, ${rest}: at most ${LONG_LINE} times as long as ${shortest.title}`;
    return [{ goal, measured, isMet: measured <= LONG_LINE }];
  });
  return [...speed, ...growth];
}
