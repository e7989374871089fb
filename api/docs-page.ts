import { createHash } from 'node:crypto';
import { z } from 'zod';
import { PROBLEM_CODES } from '../domain/errors.js';
import { openApiDocument } from './openapi.js';
import { PROBLEMS } from './problem.js';

/**
 * The document as a page that can be read offline and without scripts: everything on it comes from `openApiDocument`, so
 * that it says what the document says.
 */

const anything = z.record(z.string(), z.unknown());
const parameter = z.object({
  name: z.string(),
  in: z.string(),
  required: z.boolean().default(false),
  description: z.string().default(''),
  schema: anything,
});
const content = z.record(z.string(), z.object({ schema: anything }));
const operation = z.object({
  operationId: z.string(),
  summary: z.string(),
  description: z.string().optional(),
  security: z.array(z.unknown()).optional(),
  parameters: z.array(parameter).default([]),
  requestBody: z.object({ content }).optional(),
  responses: z.record(z.string(), z.object({ description: z.string(), content: content.optional() })),
});
const document = z.object({
  info: z.object({ title: z.string(), description: z.string() }),
  paths: z.record(z.string(), z.record(z.string(), operation)),
  components: z.object({ schemas: z.record(z.string(), anything) }),
});
type Operation = z.infer<typeof operation>;

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
code { font: 0.9em ui-monospace, monospace; background: var(--soft); padding: 0.1em 0.3em; border-radius: 3px; overflow-wrap: anywhere; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
h3 { margin-top: 2.5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.6rem 0.3rem 0; border-bottom: 1px solid var(--line); }
nav ul { list-style: none; padding: 0; }
`;

/** Of the page's `Content-Security-Policy`: it loads nothing, and only its own style applies. */
export const DOCS_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** `/docs`, as HTML. */
export function docsPage(): string {
  const { info, paths, components } = document.parse(openApiDocument());
  const operations = Object.entries(paths).flatMap(([path, byMethod]) =>
    Object.entries(byMethod).map(([method, described]) => ({ path, method: method.toUpperCase(), described })),
  );
  const body = [
    `<h1>${escaped(info.title)}</h1><p>${escaped(info.description)}</p>`,
    '<p>For programs: <a href="/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>',
    '<nav aria-label="Contents"><ul>',
    ...operations.map(
      ({ method, path, described: { operationId, summary } }) =>
        `<li><a href="#${operationId}"><code>${method} ${escaped(path)}</code></a> ${escaped(summary)}</li>`,
    ),
    '<li><a href="#schemas">Schemas</a></li><li><a href="#problems">Problem codes</a></li></ul></nav>',
    '<main><h2>Operations</h2>',
    ...operations.map(({ method, path, described }) => operationSection(method, path, described)),
    '<h2 id="schemas">Schemas</h2>',
    ...Object.entries(components.schemas).map(
      ([name, schema]) => `<h3 id="schema-${name}">${name}</h3>${schemaTable(schema)}`,
    ),
    '<h2 id="problems">Problem codes</h2>',
    '<p>Every error is <code>application/problem+json</code> (RFC 9457); programs go by its <code>code</code>.</p>',
    table(
      ['code', 'status', 'meaning', 'Retry-After'],
      PROBLEM_CODES.map((code) => {
        const { status, title, retryAfter } = PROBLEMS[code];
        return [
          `<code>${code}</code>`,
          String(status),
          escaped(title),
          retryAfter === undefined ? '' : `${retryAfter} s`,
        ];
      }),
    ),
    '</main>',
  ];
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escaped(info.title)} REST API</title><style>${STYLE}</style></head><body>`,
    ...body,
    '</body></html>\n',
  ].join('\n');
}

function operationSection(method: string, path: string, described: Operation): string {
  const { operationId, summary, description, security, parameters, requestBody, responses } = described;
  const rows = parameters.map(({ name, in: place, required, description: note, schema }) => [
    `<code>${escaped(name)}</code>`,
    `${place}${required ? ', required' : ''}`,
    typeOf(schema),
    escaped(note),
  ]);
  return [
    `<h3 id="${operationId}"><code>${method} ${escaped(path)}</code></h3>`,
    `<p><strong>${escaped(summary)}.</strong> ${escaped(description ?? '')}`,
    `${security === undefined ? '' : ' Needs no key.'}</p>`,
    rows.length === 0 ? '' : table(['parameter', 'where', 'type', ''], rows),
    requestBody === undefined ? '' : `<p>Body: ${bodyOf(requestBody.content)}</p>`,
    table(
      ['status', 'body', ''],
      Object.entries(responses).map(([status, { description: note, content: body }]) => [
        status,
        body === undefined ? '' : bodyOf(body),
        escaped(note),
      ]),
    ),
  ].join('\n');
}

function bodyOf(body: z.infer<typeof content>): string {
  return Object.values(body)
    .map(({ schema }) => typeOf(schema))
    .join(', ');
}

const objectSchema = z.object({
  properties: z.record(z.string(), anything),
  required: z.array(z.string()).default([]),
});

/** A schema's fields; of one with several forms, one table each. */
function schemaTable(schema: Readonly<Record<string, unknown>>): string {
  const forms = z.array(anything).safeParse(schema['oneOf'] ?? schema['anyOf']);
  if (forms.success) return forms.data.map(schemaTable).join('\n');
  const { success, data } = objectSchema.safeParse(schema);
  if (!success) return `<p>${typeOf(schema)}</p>`;
  return table(
    ['field', 'type', ''],
    Object.entries(data.properties).map(([name, field]) => [
      `<code>${escaped(name)}</code>${data.required.includes(name) ? '' : ' (optional)'}`,
      typeOf(field),
      escaped(z.string().catch('').parse(field['description'])),
    ]),
  );
}

const typed = z.object({
  $ref: z.string().optional(),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  anyOf: z.array(anything).optional(),
  oneOf: z.array(anything).optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  format: z.string().optional(),
  items: anything.optional(),
  properties: z.record(z.string(), anything).optional(),
  default: z.unknown().optional(),
});

function typeOf(schema: unknown): string {
  const {
    $ref,
    const: only,
    enum: values,
    anyOf,
    oneOf,
    type,
    format,
    items,
    properties,
    ...rest
  } = typed.parse(schema);
  const fallback = rest.default === undefined ? '' : `, default ${escaped(JSON.stringify(rest.default))}`;
  if ($ref !== undefined) {
    const name = escaped($ref.slice($ref.lastIndexOf('/') + 1));
    return `<a href="#schema-${name}">${name}</a>`;
  }
  if (only !== undefined) return `<code>${escaped(JSON.stringify(only))}</code>`;
  if (values !== undefined) return values.map((value) => `<code>${escaped(String(value))}</code>`).join(' ') + fallback;
  const forms = anyOf ?? oneOf;
  if (forms !== undefined) return forms.map(typeOf).join(' or ');
  if (items !== undefined) return `list of ${typeOf(items)}`;
  if (properties !== undefined) {
    const fields = Object.entries(properties).map(([name, field]) => `<code>${escaped(name)}</code>: ${typeOf(field)}`);
    return `{${fields.join(', ')}}`;
  }
  return escaped([type ?? 'anything'].flat().join(' or ') + (format === undefined ? '' : ` (${format})`)) + fallback;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[], tag: string): string => row.map((cell) => `<${tag}>${cell}</${tag}>`).join('');
  return [
    `<table><thead><tr>${cells(head, 'th')}</tr></thead><tbody>`,
    ...rows.map((row) => `<tr>${cells(row, 'td')}</tr>`),
    '</tbody></table>',
  ].join('\n');
}

function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replaceAll(/[&<>"]/g, (character) => entities[character] ?? character);
}
