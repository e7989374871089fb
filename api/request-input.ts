import { isUtf8 } from 'node:buffer';
import express from 'express';
import type { Request, RequestHandler } from 'express';
import { z } from 'zod';
import { invalidRequest, Problem } from './problem.js';
import type { FieldError } from './problem.js';

/** Largest body taken, bytes. */
const BODY_LIMIT = 16 * 1_024;

/** Most faults that one answer lists. */
const ERRORS_LISTED = 50;

/** Reads a JSON body, to be checked by {@link parseBody}. */
export const readJson = express.json({
  limit: BODY_LIMIT,
  inflate: false,
  type: () => true,
  verify: (_request, _response, body) => {
    // Decoding would put U+FFFD in its place, and another id than the caller's would be monitored.
    if (!isUtf8(body)) throw new Error('is not UTF-8');
  },
});

/** Refuses a body that doesn't claim to be JSON, or none at all. */
export const requireJson: RequestHandler = (request, _response, next) => {
  const empty = request.get('transfer-encoding') === undefined && Number(request.get('content-length') ?? 0) === 0;
  if (empty) throw invalidRequest([{ field: 'body', message: 'is required' }]);
  if (request.is('application/json') === false) {
    throw new Problem('unsupported.media.type', 'The body must be JSON: send Content-Type: application/json.');
  }
  next();
};

/** @throws {Problem} `400` naming every field that is wrong, unknown ones included. */
export function parseBody<T>(schema: z.ZodType<T>, request: Request): T {
  return parsed(schema, request.body, 'body');
}

/** @throws {Problem} `400` naming every parameter that is wrong, unknown and repeated ones included. */
export function parseQuery<T>(schema: z.ZodType<T>, request: Request): T {
  return parsed(schema, request.query, 'query');
}

/** For requests that take no parameters. */
export const noQuery = z.strictObject({});

/** `limit` of a list. */
export const pageLimit = z
  .string()
  .refine((text) => /^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 200, {
    error: 'must be a whole number from 1 to 200',
  })
  .transform(Number)
  .default(50);

/** A part of the path, percent-decoded. */
export function pathPart(request: Request, name: string): string {
  const value = request.params[name];
  if (typeof value !== 'string') throw new Error(`the route has no :${name}`);
  return value;
}

function parsed<T>(schema: z.ZodType<T>, value: unknown, whole: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw invalidRequest(fieldErrors(result.error, whole));
}

/** What zod found, field by field; `whole` names the input itself. */
export function fieldErrors(error: z.ZodError, whole: string): FieldError[] {
  return error.issues
    .flatMap((issue) => {
      if (issue.code === 'unrecognized_keys') {
        return issue.keys.map((key) => ({ field: dotted([...issue.path, key]), message: 'is not known here' }));
      }
      const field = issue.path.length === 0 ? whole : dotted(issue.path);
      const missing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
      return [{ field, message: missing ? 'is required' : issue.message }];
    })
    .slice(0, ERRORS_LISTED);
}

function dotted(path: readonly PropertyKey[]): string {
  return path.map(String).join('.');
}
