import { isUtf8 } from 'node:buffer';
import express from 'express';
import type { Request, RequestHandler } from 'express';
import { z } from 'zod';
import { fieldFaults } from '../domain/input-faults.js';
import { invalidRequest, Problem } from './problem.js';

/** Largest body taken, bytes. */
const BODY_LIMIT = 16 * 1_024;

/** Reads a JSON body, to be checked by {@link parseBody}. */
export const readJson = jsonOf(BODY_LIMIT);

/** Reads a JSON body of so many bytes at most. */
export function jsonOf(limit: number): RequestHandler {
  return express.json({
    limit,
    inflate: false,
    // Any JSON: what is none of ours is told by its schema.
    strict: false,
    type: () => true,
    verify: (_request, _response, body) => {
      // Decoding would put U+FFFD in its place, and another id than the caller's would be monitored.
      if (!isUtf8(body)) throw new Error('is not UTF-8');
    },
  });
}

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

/** `limit` of a list. */
export const pageLimit = z
  .string()
  .refine((text) => /^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 200, {
    error: 'must be a whole number from 1 to 200',
  })
  .transform(Number)
  .default(50)
  // As the document has it: a number, though every parameter comes as text.
  .meta({ type: 'integer', minimum: 1, maximum: 200, description: 'Most items of a page; 50 unless told.' });

/** A part of the path, percent-decoded. */
export function pathPart(request: Request, name: string): string {
  const value = request.params[name];
  if (typeof value !== 'string') throw new Error(`the route has no :${name}`);
  return value;
}

function parsed<T>(schema: z.ZodType<T>, value: unknown, whole: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw invalidRequest(fieldFaults(result.error, whole));
}
