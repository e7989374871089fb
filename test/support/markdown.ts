/** The cells of one line of a Markdown table. */
function cells(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

/** The rows of the Markdown table whose first heading it is; none if there is no such table. */
export function tableRows(page: string, heading: string): string[][] {
  const lines = page.split('\n');
  const at = lines.findIndex((line, n) => cells(line)[0] === heading && lines[n + 1]?.startsWith('| ---') === true);
  if (at < 0) return [];
  const table = lines.slice(at + 2);
  return table
    .slice(
      0,
      table.findIndex((line) => !line.startsWith('|')),
    )
    .map(cells);
}
