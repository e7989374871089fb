import { writeFile } from 'node:fs/promises';
import { BUNDLE_PATH, bundleWorkflows, VERSIONED_BUNDLE_PATH } from './workflow-bundle.js';

// A step of the build: the workers of a deployment all run the very same workflow code.
await writeFile(BUNDLE_PATH, (await bundleWorkflows()).code);
await writeFile(VERSIONED_BUNDLE_PATH, (await bundleWorkflows('versioned-workflows')).code);
