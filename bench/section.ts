/** Something that is promised, and what came of it. */
export interface Goal {
  readonly goal: string;
  readonly measured: number;
  readonly isMet: boolean;
}

/** One table of the report. */
export interface Section {
  readonly title: string;
  readonly head: readonly string[];
  /** The first column names the row. */
  readonly rows: readonly (readonly string[])[];
  /** What the columns mean, a line each. */
  readonly notes: readonly string[];
  readonly goals: readonly Goal[];
  /** For programs: everything that the rows were made of. */
  readonly data: unknown;
}

/** A goal that a ratio may not exceed. */
export function atMost(goal: string, measured: number, most: number): Goal {
  return { goal: `${goal}: at most ${most}`, measured, isMet: measured <= most };
}

/** A goal that a ratio has to reach. */
export function atLeast(goal: string, measured: number, least: number): Goal {
  return { goal: `${goal}: at least ${least}`, measured, isMet: measured >= least };
}

/** As plain text. */
export function asText({ title, head, rows, notes, goals }: Section): string {
  return [
    `## ${title}`,
    '',
    ...table(head, rows),
    '',
    ...notes,
    ...(goals.length === 0 ? [] : ['']),
    ...goals.map(({ goal, measured, isMet }) => `${isMet ? 'met   ' : 'MISSED'} ${goal} (${measured.toFixed(2)})`),
    '',
  ].join('\n');
}

/** First column to the left, the others to the right. */
export function table(head: readonly string[], body: readonly (readonly string[])[]): string[] {
  const lines = [head, ...body];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines.map((line) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('   ')
      .trimEnd(),
  );
}
