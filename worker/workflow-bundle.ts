import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';

/** Where the build leaves the bundle: beside this file's compiled form. */
export const BUNDLE_PATH = fileURLToPath(new URL('./workflow-bundle.cjs', import.meta.url));

/** Bundles the workflows from source (`.ts` under test, `.js` once built). Takes a few seconds. */
export async function bundleWorkflows(): Promise<WorkflowBundleWithSourceMap> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const pathOf = (name: string): string => fileURLToPath(new URL(`../workflows/${name}.${extension}`, import.meta.url));
  return bundleWorkflowCode({
    workflowsPath: pathOf('workflows'),
    preloadModules: [pathOf('shared-modules')],
    logger: QUIET,
  });
}

/** The bundle that the build made, so that a worker starts without webpack. */
export async function builtBundle(): Promise<{ codePath: string } | undefined> {
  try {
    await readFile(BUNDLE_PATH);
    return { codePath: BUNDLE_PATH };
  } catch {
    return undefined;
  }
}

const silent = (): void => undefined;
const QUIET = { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent };
