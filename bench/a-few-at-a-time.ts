/** Enough to be quick, too few to swamp a machine of two cores. */
const AT_ONCE = 8;

/** Runs `work` for every item, a few at a time; results in the order of the items. */
export async function aFewAtATime<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let start = 0; start < items.length; start += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(start, start + AT_ONCE).map(work))));
  }
  return results;
}
