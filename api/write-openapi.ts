import { writeFile } from 'node:fs/promises';
import { openApiDocument } from './openapi.js';

/** `npm run openapi`: writes the document that the repository keeps, for those who do not run Earshot. */
await writeFile('docs/openapi.json', `${JSON.stringify(openApiDocument(), null, 2)}\n`);
