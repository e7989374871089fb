import type { WorkerOptions } from '@temporalio/worker';
import { bundleWorkflows } from '../../worker/workflow-bundle.js';

export type WorkflowBundle = NonNullable<WorkerOptions['workflowBundle']>;

let bundle: Promise<WorkflowBundle> | undefined;

/**
 * The workflows for the workers of a test file. `npm test` has just built them and says where; else they are bundled from
 * source, which takes some seconds of work in every file.
 */
export function testBundle(): Promise<WorkflowBundle> {
  const codePath = process.env['EARSHOT_WORKFLOW_BUNDLE'];
  return (bundle ??= codePath === undefined ? bundleWorkflows() : Promise.resolve({ codePath }));
}
