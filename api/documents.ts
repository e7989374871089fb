import { DOCS_POLICY, docsPage } from './docs-page.js';
import type { Handler } from './routes.js';

/** `GET /openapi.json` and `GET /asyncapi.json`. */
export function getDocument(make: () => object): Handler {
  let document: object | undefined;
  return (_request, response) => {
    // Made when somebody first asks, which in most processes nobody does.
    document ??= make();
    response.json(document);
    return Promise.resolve();
  };
}

/** `GET /docs`: the same for people. */
export function getDocs(): Handler {
  let page: string | undefined;
  return (_request, response) => {
    page ??= docsPage();
    response.set('Content-Security-Policy', DOCS_POLICY).type('html').send(page);
    return Promise.resolve();
  };
}
