import { z } from 'zod';
import { SettingsError } from './settings.js';
import type { Environment, SettingsFault } from './settings.js';

/** How traces are told, where they are; all else is OpenTelemetry's own to read. */
export interface TracingSettings {
  readonly protocol: Protocol;
}

const PROTOCOLS = ['http/protobuf', 'http/json'] as const;
type Protocol = (typeof PROTOCOLS)[number];

const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

function isHttpUrl(given: string): boolean {
  return URL.canParse(given) && ['http:', 'https:'].includes(new URL(given).protocol);
}

const url = z.string().refine(isHttpUrl, 'must be an http:// or https:// URL').optional();
const protocol = z.enum(PROTOCOLS, `must be one of ${PROTOCOLS.join(', ')}`).optional();

const schema = z.object({
  OTEL_EXPORTER_OTLP_ENDPOINT: url,
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url,
  OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: protocol,
  OTEL_TRACES_EXPORTER: z.enum(['otlp', 'none'], 'must be otlp or none').optional(),
  OTEL_TRACES_SAMPLER: z.enum(SAMPLERS, `must be one of ${SAMPLERS.join(', ')}`).optional(),
  OTEL_TRACES_SAMPLER_ARG: z
    .string()
    .refine((given) => /^\d*\.?\d+$/.test(given) && Number(given) <= 1, 'must be a number from 0 to 1')
    .optional(),
});

/** The variables that are looked at here; a bad value stops the start. */
export const TRACING_VARIABLES: readonly string[] = ['OTEL_SDK_DISABLED', ...Object.keys(schema.shape)];

/**
 * Reads from OpenTelemetry's own variables whether to trace: only where an endpoint is named, and nothing says no.
 *
 * @returns `undefined`: no traces, and then the other variables are not looked at
 * @throws {SettingsError} naming every fault, without the values: addresses may hold keys.
 */
export function tracingSettings(env: Environment): TracingSettings | undefined {
  const given = Object.fromEntries(Object.keys(schema.shape).map((name) => [name, valueOf(env, name)]));
  const isNamed = given['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? given['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'];
  const isDisabled = valueOf(env, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true';
  if (isNamed === undefined || isDisabled || given['OTEL_TRACES_EXPORTER'] === 'none') return undefined;
  const { success, data, error } = schema.safeParse(given);
  if (!success) throw new SettingsError(error.issues.map(faultOf));
  return {
    protocol: data.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ?? data.OTEL_EXPORTER_OTLP_PROTOCOL ?? 'http/protobuf',
  };
}

function faultOf({ path, message }: z.core.$ZodIssue): SettingsFault {
  return { name: String(path[0]), message: `${message} (OTEL_SDK_DISABLED=true: no traces at all)` };
}

function valueOf(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === '' ? undefined : value;
}
