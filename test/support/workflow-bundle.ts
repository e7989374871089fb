import type { WorkerOptions } from '@temporalio/worker';
import { bundleWorkflows } from '../../worker/workflow-bundle.js';

export type WorkflowBundle = NonNullable<WorkerOptions['workflowBundle']>;

const bundles = new Map<string, Promise<WorkflowBundle>>();

/**
 * The workflows for the workers of a test file. `npm test` has just built them and says where; else they are bundled from
 * source, which takes some seconds of work in every file.
 */
export function testBundle(entry: 'workflows' | 'versioned-workflows' = 'workflows'): Promise<WorkflowBundle> {
  const built = process.env['EARSHOT_WORKFLOW_BUNDLE'];
  const codePath = entry === 'workflows' ? built : built?.replace(/[^/]+$/, 'versioned-workflow-bundle.cjs');
  const bundle =
    bundles.get(entry) ?? (codePath === undefined ? bundleWorkflows(entry) : Promise.resolve({ codePath }));
  bundles.set(entry, bundle);
  return bundle;
}
