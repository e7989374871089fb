import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';

/** Of the same workflows, four bundles: what they do is the same. */
export interface BundleOptions {
  /** With what a worker that traces needs in them. @default false */
  readonly isTraced?: boolean;
  /** With what a worker's version means to each workflow. @default false */
  readonly isVersioned?: boolean;
}

/** Where the build leaves a bundle: beside this file's compiled form. */
export function bundlePath({ isTraced = false, isVersioned = false }: BundleOptions = {}): string {
  const name = ['workflow-bundle', ...(isVersioned ? ['versioned'] : []), ...(isTraced ? ['traced'] : [])].join('-');
  return fileURLToPath(new URL(`./${name}.cjs`, import.meta.url));
}

/** Bundles the workflows from source (`.ts` under test, `.js` once built). Takes a few seconds. */
export async function bundleWorkflows({
  isTraced = false,
  isVersioned = false,
}: BundleOptions = {}): Promise<WorkflowBundleWithSourceMap> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const pathOf = (name: string): string => fileURLToPath(new URL(`../workflows/${name}.${extension}`, import.meta.url));
  return bundleWorkflowCode({
    workflowsPath: pathOf(isVersioned ? 'versioned-workflows' : 'workflows'),
    preloadModules: [pathOf('shared-modules')],
    workflowInterceptorModules: isTraced ? [pathOf('trace-interceptors')] : [],
    logger: QUIET,
  });
}

/** The bundle that the build made, so that a worker starts without webpack. */
export async function builtBundle(options: BundleOptions = {}): Promise<{ codePath: string } | undefined> {
  const codePath = bundlePath(options);
  try {
    await readFile(codePath);
    return { codePath };
  } catch {
    return undefined;
  }
}

const silent = (): void => undefined;
const QUIET = { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent };
