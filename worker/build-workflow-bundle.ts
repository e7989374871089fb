import { writeFile } from 'node:fs/promises';
import { bundlePath, bundleWorkflows } from './workflow-bundle.js';

// A step of the build: the workers of a deployment all run the very same workflow code.
for (const isVersioned of [false, true]) {
  for (const isTraced of [false, true]) {
    const { code } = await bundleWorkflows({ isVersioned, isTraced });
    await writeFile(bundlePath({ isVersioned, isTraced }), code);
  }
}
