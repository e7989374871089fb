import { basename, dirname, join } from 'node:path';
import type { WorkerOptions } from '@temporalio/worker';
import { bundlePath, bundleWorkflows } from '../../worker/workflow-bundle.js';
import type { BundleOptions } from '../../worker/workflow-bundle.js';

export type WorkflowBundle = NonNullable<WorkerOptions['workflowBundle']>;

const bundles = new Map<string, Promise<WorkflowBundle>>();

/**
 * The workflows for the workers of a test file. `npm test` has just built them and says where; else they are bundled from
 * source, which takes some seconds of work in every file.
 */
export function testBundle(options: BundleOptions = {}): Promise<WorkflowBundle> {
  const built = process.env['EARSHOT_WORKFLOW_BUNDLE'];
  const name = basename(bundlePath(options));
  const bundle =
    bundles.get(name) ??
    (built === undefined ? bundleWorkflows(options) : Promise.resolve({ codePath: join(dirname(built), name) }));
  bundles.set(name, bundle);
  return bundle;
}
