import { writeFile } from 'node:fs/promises';
import { asyncApiDocument } from './asyncapi.js';
import { openApiDocument } from './openapi.js';

/** `npm run documents`: writes the documents that the repository keeps, for those who do not run Earshot. */
const documents = { 'docs/openapi.json': openApiDocument(), 'docs/asyncapi.json': asyncApiDocument() };
for (const [file, document] of Object.entries(documents)) {
  await writeFile(file, `${JSON.stringify(document, null, 2)}\n`);
}
