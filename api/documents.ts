import { DOCS_POLICY, docsPage } from './docs-page.js';
import { openApiDocument } from './openapi.js';
import type { Handler } from './routes.js';

/** `GET /openapi.json`. */
export function getOpenApi(): Handler {
  const document = openApiDocument();
  return (_request, response) => {
    response.json(document);
    return Promise.resolve();
  };
}

/** `GET /docs`: the same for people. */
export function getDocs(): Handler {
  const page = docsPage();
  return (_request, response) => {
    response.set('Content-Security-Policy', DOCS_POLICY).type('html').send(page);
    return Promise.resolve();
  };
}
