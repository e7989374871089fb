/**
 * The promise's outcome, unless the signal fires first: for waiting on work that is shared and must go on without this
 * caller.
 * @throws the signal's reason
 */
export async function untilAborted<T>(shared: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return shared;
  signal.throwIfAborted();
  const listening = new AbortController();
  try {
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { signal: listening.signal });
    });
    return await Promise.race([
      shared,
      aborted.then(() => {
        signal.throwIfAborted();
        throw new Error('Expected an abort to have a reason');
      }),
    ]);
  } finally {
    listening.abort();
  }
}
