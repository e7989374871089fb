import { z } from 'zod';

/**
 * What all workflows of a worker share, loaded once for all of them (`worker/workflow-bundle.ts`): zod alone, which is most of
 * the code that each would evaluate anew. The SDK freezes what is shared, and a schema adds to itself when it is first
 * used, so schemas stay each workflow's own. zod sets itself up with its first schema, hence this one.
 */
export const FIRST_SCHEMA = z.strictObject({});

// The SDK records the stack of every promise, each frame by the source map, for Temporal's "call stack": with the usual
// ten frames that was a third of the work of all workflows.
Error.stackTraceLimit = 3;
