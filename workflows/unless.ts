import { CancellationScope, condition } from '@temporalio/workflow';

/** Works until it is done, or until there is something better to do: then `undefined`, and the work is called off. */
export async function unless<T>(isBetter: () => boolean, work: () => Promise<T>): Promise<T | undefined> {
  const scope = new CancellationScope();
  try {
    return await scope.run(() => Promise.race([work(), condition(isBetter).then(() => undefined)]));
  } finally {
    scope.cancel();
  }
}
