import { z } from 'zod';
import type { ProblemCode } from '../domain/errors.js';
import { externalId } from '../domain/identifiers.js';
import { FIELD_NOTES } from './field-notes.js';
import { ANSWERS, OPERATIONS, REQUESTS } from './operations.js';
import type { Operation, RequestHeader, ResponseHeader } from './operations.js';
import { PROBLEMS } from './problem.js';

type Json = Readonly<Record<string, unknown>>;

const schemaPath = (id: string): string => `#/components/schemas/${id}`;
const refTo = (id: string): Json => ({ $ref: schemaPath(id) });

/** What any operation may answer, beyond its own. */
const ANYWHERE: readonly ProblemCode[] = ['invalid.request', 'not.acceptable', 'internal.error'];
const BEHIND_A_BEARER: readonly ProblemCode[] = [
  'authentication.required',
  'authentication.unavailable',
  'access.denied',
  'rate.limited',
];
const WITH_A_BODY: readonly ProblemCode[] = ['payload.too.large', 'unsupported.media.type'];

const REQUEST_HEADERS: Readonly<Record<RequestHeader, Json>> = {
  Prefer: {
    description: 'wait=N holds the answer until the outcome, N seconds at most (RFC 7240); more than 30 counts as 30.',
    schema: { type: 'string', examples: ['wait=10'] },
  },
  'Idempotency-Key': {
    description:
      'Makes a repeat the same request: a command’s becomes its commandId. Of a session, as long as Temporal knows that; with another body, for the same supervisor and interaction: 422. In quotes it is the same key.',
    schema: { type: 'string', pattern: '^(?:[A-Za-z0-9._:-]{1,128}|"[A-Za-z0-9._:-]{1,128}")$' },
  },
  'If-None-Match': { description: 'The ETag of an earlier answer.', schema: { type: 'string' } },
};

const RESPONSE_HEADERS: Readonly<Record<ResponseHeader, Json>> = {
  Location: { description: 'Where it is read.', schema: { type: 'string', format: 'uri-reference' } },
  ETag: { description: 'Changes with the session’s version.', schema: { type: 'string' } },
  'Preference-Applied': { description: 'The answer was held until the outcome.', schema: { type: 'string' } },
  'Set-Cookie': {
    description: 'The cookie, or its end: HttpOnly, SameSite=Strict.',
    schema: { type: 'string' },
  },
};

const RETRY_AFTER: Json = {
  'Retry-After': { description: 'Seconds after which a repeat makes sense.', schema: { type: 'integer' } },
};

const PATH_PARAMETERS: Readonly<Record<string, string>> = {
  sessionId: 'session~{interactionId}~{supervisorId}, as the session shows it; percent-encode it once more in a URL.',
  commandId: 'As the answer to the command has it, or its Idempotency-Key.',
};

/** The OpenAPI 3.1 document, made of the schemas that check what comes in and shape what goes out. */
export function openApiDocument(): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Earshot',
      version: '1',
      description:
        'Lets a contact centre’s own tools listen to live calls, whisper to the agent and join the call. A session is one supervisor on one interaction; what it shows is what the telephony platform has confirmed.',
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { cookie: [] }],
    paths: paths(),
    components: {
      schemas: { ...schemasOf(REQUESTS, 'input'), ...schemasOf(ANSWERS, 'output') },
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description:
            'The API key, or a person’s token (JWT) of the identity provider, with roles among supervisor, qa and admin.',
        },
        cookie: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-earshot',
          description: 'Of POST /v1/sign-in, for Earshot’s own page. On loopback without TLS it is called earshot.',
        },
      },
    },
  };
}

/** The codes of all problems that an operation may answer. */
export function problemsOf({ problems, access, body }: Operation): readonly ProblemCode[] {
  const bearer = access === 'anybody' ? [] : BEHIND_A_BEARER;
  return [...new Set([...problems, ...bearer, ...(body === undefined ? [] : WITH_A_BODY), ...ANYWHERE])];
}

function paths(): Json {
  const byPath: Record<string, Record<string, Json>> = {};
  for (const operation of OPERATIONS) {
    const { method, path } = operation;
    byPath[path] = { ...byPath[path], [method.toLowerCase()]: describe(operation) };
  }
  return byPath;
}

function describe(operation: Operation): Json {
  const { id, summary, description, query, headers = [], body, path, access } = operation;
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    description: PATH_PARAMETERS[name],
    schema: { type: 'string', minLength: 1 },
  }));
  const inHeader = headers.map((name) => ({ name, in: 'header', ...REQUEST_HEADERS[name] }));
  const parameters = [...inPath, ...queryParameters(query), ...inHeader];
  return {
    operationId: id,
    summary,
    ...(description === undefined ? {} : { description }),
    ...(access === 'anybody' ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: refTo(body) } } } }),
    responses: { ...answersOf(operation), ...problemAnswersOf(operation) },
  };
}

/** What the schema of ids checks by a function: a pattern says it to programs. The platform's ids are any text but these. */
const NO_CONTROL_CHARACTER = '^[^\\u0000-\\u001F\\u007F-\\u009F]*$';

function addPattern({ zodSchema, jsonSchema }: { zodSchema: unknown; jsonSchema: { pattern?: string } }): void {
  if (zodSchema === externalId) jsonSchema.pattern = NO_CONTROL_CHARACTER;
}

function queryParameters(query: z.ZodObject | undefined): Json[] {
  if (query === undefined) return [];
  const { properties = {} } = bare(z.toJSONSchema(query, { io: 'input', override: addPattern }));
  return Object.entries(z.record(z.string(), z.record(z.string(), z.unknown())).parse(properties)).map(
    ([name, { description, ...schema }]) => ({
      name,
      in: 'query',
      ...(description === undefined ? {} : { description }),
      schema,
    }),
  );
}

function answersOf({ answers }: Operation): Json {
  return Object.fromEntries(
    Object.entries(answers).map(([status, { description, body, headers = [], links = {} }]) => [
      status,
      {
        description,
        ...(headers.length === 0
          ? {}
          : { headers: Object.fromEntries(headers.map((name) => [name, RESPONSE_HEADERS[name]])) }),
        ...(body === undefined ? {} : { content: { 'application/json': { schema: refTo(body) } } }),
        ...(Object.keys(links).length === 0
          ? {}
          : {
              links: Object.fromEntries(
                Object.entries(links).map(([operationId, parameters]) => [operationId, { operationId, parameters }]),
              ),
            }),
      },
    ]),
  );
}

/** One answer for each status, which names its codes. */
function problemAnswersOf(operation: Operation): Json {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of problemsOf(operation)) {
    const { status } = PROBLEMS[code];
    // An answer of its own kind goes first: `/readyz` is no problem.
    if (operation.answers[status] === undefined) byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      {
        description: codes.map((code) => `${code}: ${PROBLEMS[code].title}.`).join(' '),
        ...(codes.some((code) => PROBLEMS[code].retryAfter !== undefined) ? { headers: RETRY_AFTER } : {}),
        content: { 'application/problem+json': { schema: refTo('Problem') } },
      },
    ]),
  );
}

const NOTES: Readonly<Record<string, Readonly<Record<string, string>> | undefined>> = FIELD_NOTES;

/** Named schemas as the document has them, each referring to the others by name. */
export function schemasOf(named: Readonly<Record<string, z.ZodType>>, io: 'input' | 'output'): Json {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(named)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, {
    io,
    uri: schemaPath,
    override(context) {
      addPattern(context);
      const { jsonSchema } = context;
      // What is answered may come to have more fields; what is sent may not.
      if (io === 'output') delete jsonSchema.additionalProperties;
    },
  });
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, withNotes(bare(schema), NOTES[id])]));
}

const properties = z.record(z.string(), z.record(z.string(), z.unknown()));

function withNotes(schema: Json, notes: Readonly<Record<string, string>> = {}): Json {
  const fields = properties.safeParse(schema['properties']);
  if (!fields.success) return schema;
  const noted = Object.entries(fields.data).map(([name, field]) => {
    const description = notes[name] ?? field['description'];
    return [name, description === undefined ? field : { description, ...field }];
  });
  return { ...schema, properties: Object.fromEntries(noted) };
}

/** Without what says that it stands alone. */
function bare({ $schema, $id, ...schema }: Json): Json {
  void [$schema, $id];
  return schema;
}
