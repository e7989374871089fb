import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';

/** Where the build leaves the bundle: beside this file's compiled form. */
export const BUNDLE_PATH = fileURLToPath(new URL('./workflow-bundle.cjs', import.meta.url));

/** Likewise, of what workers take that have a version. */
export const VERSIONED_BUNDLE_PATH = fileURLToPath(new URL('./versioned-workflow-bundle.cjs', import.meta.url));

/** Bundles the workflows from source (`.ts` under test, `.js` once built). Takes a few seconds. */
export async function bundleWorkflows(
  entry: 'workflows' | 'versioned-workflows' = 'workflows',
): Promise<WorkflowBundleWithSourceMap> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const pathOf = (name: string): string => fileURLToPath(new URL(`../workflows/${name}.${extension}`, import.meta.url));
  return bundleWorkflowCode({
    workflowsPath: pathOf(entry),
    preloadModules: [pathOf('shared-modules')],
    logger: QUIET,
  });
}

/** The bundle that the build made, so that a worker starts without webpack. */
export async function builtBundle(codePath = BUNDLE_PATH): Promise<{ codePath: string } | undefined> {
  try {
    await readFile(codePath);
    return { codePath };
  } catch {
    return undefined;
  }
}

const silent = (): void => undefined;
const QUIET = { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent };

/** What a worker runs: of the build, or a fresh one. */
export async function workflowsFor(isVersioned: boolean): Promise<{ codePath: string } | WorkflowBundleWithSourceMap> {
  if (isVersioned) return (await builtBundle(VERSIONED_BUNDLE_PATH)) ?? bundleWorkflows('versioned-workflows');
  return (await builtBundle()) ?? bundleWorkflows();
}
