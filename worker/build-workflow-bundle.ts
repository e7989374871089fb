import { writeFile } from 'node:fs/promises';
import { BUNDLE_PATH, bundleWorkflows } from './workflow-bundle.js';

// A step of the build: the workers of a deployment all run the very same workflow code.
const { code } = await bundleWorkflows();
await writeFile(BUNDLE_PATH, code);
