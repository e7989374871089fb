import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import { z } from 'zod';
import { CannotStart, CONFIGURATION_EXIT_CODE } from '../domain/cannot-start.js';
import type { WorkerSettings } from '../domain/settings.js';
import { bundlePath } from './workflow-bundle.js';

/** Above `dist/`, once it is compiled. */
const PACKAGE = new URL(import.meta.url.endsWith('.ts') ? '../package.json' : '../../package.json', import.meta.url);

/** As much of a fingerprint as a person compares. */
const FINGERPRINT_LENGTH = 12;

/**
 * The version of the Worker Deployment that this process is of; `undefined` where none is configured, and any worker takes any
 * session (docs/decisions/0021-worker-versioning.md).
 *
 * @param bundle what the build has bundled
 * @throws {CannotStart} where there is neither a build nor `WORKER_BUILD_ID`
 */
export async function workerDeployment(
  { workerDeploymentName, workerBuildId }: Pick<WorkerSettings, 'workerDeploymentName' | 'workerBuildId'>,
  bundle = bundlePath({ isVersioned: true }),
): Promise<WorkerDeploymentVersion | undefined> {
  if (workerDeploymentName === undefined) return undefined;
  return { deploymentName: workerDeploymentName, buildId: workerBuildId ?? (await bundledBuildId(bundle)) };
}

/**
 * The version, and a fingerprint of the workflows: two builds with the same workflows are the same to a session, and a release
 * that changes nothing of them needs no second set of workers.
 */
async function bundledBuildId(bundle: string): Promise<string> {
  try {
    const { version } = z.object({ version: z.string() }).parse(JSON.parse(await readFile(PACKAGE, 'utf8')));
    const text = await readFile(bundle, 'utf8');
    // The map names the folder that it was built in.
    const code = text.replace(/^\/\/# sourceMappingURL=.*$/m, '');
    return `${version}-${createHash('sha256').update(code).digest('hex').slice(0, FINGERPRINT_LENGTH)}`;
  } catch {
    throw new CannotStart(
      'The build id of this worker cannot be told from its build: set WORKER_BUILD_ID, or build it first.',
      CONFIGURATION_EXIT_CODE,
    );
  }
}
