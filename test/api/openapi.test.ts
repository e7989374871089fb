import { readFile } from 'node:fs/promises';
import specs from '@asyncapi/specs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from '@jest/globals';
import * as Ajv from 'ajv';
import addFormats from 'ajv-formats';
import { z } from 'zod';
import { asyncApiDocument } from '../../api/asyncapi.js';
import { DOCS_POLICY, docsPage } from '../../api/docs-page.js';
import { openApiDocument, problemsOf } from '../../api/openapi.js';
import { OPERATIONS } from '../../api/operations.js';
import { PROBLEM_CODES } from '../../domain/errors.js';

const fields = z.record(z.string(), z.unknown());
const answers = z.record(z.string(), z.object({ content: z.record(z.string(), z.unknown()).optional() }));
const document = z.object({
  paths: z.record(z.string(), z.record(z.string(), z.object({ operationId: z.string(), responses: answers }))),
  components: z.object({ schemas: z.record(z.string(), z.record(z.string(), z.unknown())) }),
});

test('the document that the repository keeps is the one that is served (else: npm run documents)', async () => {
  const kept: unknown = JSON.parse(await readFile(new URL('../../docs/openapi.json', import.meta.url), 'utf8'));
  expect(kept).toEqual(JSON.parse(JSON.stringify(openApiDocument())));
});

test('the document is OpenAPI 3.1, every reference in it leads somewhere', async () => {
  const validator = new Validator();
  expect(await validator.validate({ ...openApiDocument() })).toEqual({ valid: true });
  expect(validator.version).toBe('3.1');
  const text = JSON.stringify(openApiDocument());
  const named = new Set(Object.keys(document.parse(openApiDocument()).components.schemas));
  const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name);
  expect(references.length).toBeGreaterThan(20);
  expect(references.filter((name) => !named.has(name ?? ''))).toEqual([]);
  expect(text.match(/"\$ref":/g)).toHaveLength(references.length);
});

test('so is the document of the WebSocket, which is AsyncAPI 3.0', async () => {
  const file = new URL('../../docs/asyncapi.json', import.meta.url);
  const made: unknown = JSON.parse(JSON.stringify(asyncApiDocument()));
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(made);
  const ajv = new Ajv.Ajv({ strict: false, logger: false });
  addFormats.default(ajv);
  const isValid = ajv.compile(fields.parse(specs.schemasWithoutId['3.0.0']));
  expect([isValid(made), isValid.errors]).toEqual([true, null]);
  expect(isValid({ ...fields.parse(made), asyncapi: '9.0.0' })).toBe(false);
  const text = JSON.stringify(made);
  for (const [, path = ''] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    expect([path, path.split('/').reduce<unknown>((at, part) => fields.parse(at)[part], made)]).not.toEqual([
      path,
      undefined,
    ]);
  }
});

test('what callers send is refused with any other field, what they are answered may come to have more', () => {
  const { schemas } = document.parse(openApiDocument()).components;
  for (const name of ['NewSession', 'NewCommand']) expect(schemas[name]).toMatchObject({ additionalProperties: false });
  for (const name of ['Session', 'Command', 'Problem'])
    expect(schemas[name]).not.toHaveProperty('additionalProperties');
});

test('every operation is in the document with all that it may answer', () => {
  const { paths } = document.parse(openApiDocument());
  const described = Object.values(paths).flatMap((methods) => Object.values(methods));
  expect(described.map(({ operationId }) => operationId).toSorted()).toEqual(OPERATIONS.map(({ id }) => id).toSorted());
  for (const { operationId, responses } of described) {
    const statuses = Object.keys(responses);
    const isOpen = ['getSignIn', 'signOut', 'getLiveness', 'getReadiness'].includes(operationId);
    expect([operationId, statuses.includes('401')]).toEqual([operationId, !isOpen]);
    for (const status of ['400', '406', '500'])
      expect([operationId, statuses]).toEqual([operationId, expect.arrayContaining([status])]);
  }
});

test('every code is one that some operation may answer, or that needs none', () => {
  const answered = new Set(OPERATIONS.flatMap((operation) => problemsOf(operation)));
  // Of the WebSocket, of the platform's own address, and of methods that there are not.
  expect(PROBLEM_CODES.filter((code) => !answered.has(code))).toEqual([
    'upgrade.required',
    'too.many.connections',
    'webhook.signature.invalid',
    'method.not.allowed',
  ]);
});

test('the page has every operation, schema and code, and loads nothing', () => {
  const page = docsPage();
  const { components } = document.parse(openApiDocument());
  for (const { id, path } of OPERATIONS) {
    expect(page).toContain(`<h3 id="${id}">`);
    expect(page).toContain(path);
  }
  for (const name of Object.keys(components.schemas)) expect(page).toContain(`<h3 id="schema-${name}">`);
  for (const code of PROBLEM_CODES) expect(page).toContain(`<code>${code}</code>`);
  const targets = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id ?? '');
  expect(targets.filter((id) => !page.includes(`id="${id}"`))).toEqual([]);
  expect(page).not.toMatch(/<script|<link|<img|\bsrc=|https?:\/\/|url\(|\bon\w+=|undefined|\[object/);
  expect(DOCS_POLICY).toMatch(/^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}';/);
});
