/** Calls of one caller that are under way at the same time. */
const AT_ONCE = 16;

/** Does something for each of many, a few at a time; rejects with the first failure once all have been tried. */
export async function forEachOfMany<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const left = [...items];
  const failures: unknown[] = [];
  const oneByOne = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) {
      await work(item).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, oneByOne));
  if (failures.length > 0) throw failures[0];
}
