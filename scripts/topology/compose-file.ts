import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { CannotStart } from '../../domain/cannot-start.js';

const variables = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String));

const serviceSchema = z.object({
  image: z.string(),
  entrypoint: z.array(z.string()).default([]),
  command: z.array(z.string()).default([]),
  environment: variables.default({}),
  secrets: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  deploy: z.object({ replicas: z.coerce.number().int().positive().default(1) }).default({ replicas: 1 }),
});

const fileSchema = z.object({
  services: z.record(z.string(), serviceSchema),
  secrets: z.record(z.string(), z.object({ file: z.string() })),
});

/** A service of the compose file, as far as it can be run without containers. */
export type ComposeService = z.output<typeof serviceSchema>;

/** What `docker-compose.yml` says, its variables put in. */
export interface ComposeFile {
  readonly secrets: readonly string[];
  /** @throws {CannotStart} where there is none of that name */
  service(name: string): ComposeService;
}

/**
 * Reads a compose file.
 *
 * @param given what `.env` and the environment would give its variables
 * @throws {CannotStart} where it has another form, or a variable that must be set is not
 */
export function readComposeFile(path: string, given: Readonly<Record<string, string | undefined>>): ComposeFile {
  const raw: unknown = parse(readFileSync(path, 'utf8'), { merge: true });
  const file = fileSchema.safeParse(throughout(raw, (text) => interpolated(text, given)));
  if (!file.success) throw new CannotStart(`${path} is not as expected: ${z.prettifyError(file.error)}`);
  const { services, secrets } = file.data;
  return {
    secrets: Object.keys(secrets),
    service: (name) => {
      const service = services[name];
      if (service === undefined) throw new CannotStart(`${path} has no service ${name}`);
      return service;
    },
  };
}

/** The same with every string put through `change`. */
function throughout(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => throughout(item, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, throughout(item, change)]));
}

/** `${A}`, `${A:-otherwise}`, `${A:?what is missing}`, and `$$` for a dollar. */
function interpolated(text: string, given: Readonly<Record<string, string | undefined>>): string {
  return text.replaceAll(
    /\$(?:\$|\{(\w+)(?::(-|\?)([^}]*))?\})/g,
    (_whole: string, name: string | undefined, how: string | undefined, rest: string | undefined): string => {
      if (name === undefined) return '$';
      const value = given[name] ?? '';
      if (value !== '') return value;
      if (how === '?') throw new CannotStart(`${name} is not set: ${rest ?? ''}`);
      return how === '-' ? (rest ?? '') : '';
    },
  );
}
