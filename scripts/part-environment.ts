import type { Environment } from '../domain/settings.js';

/** The processes that make up the product. */
export type PartName = 'temporal' | 'simulator' | 'worker' | 'api';

/** Variables that configure the product: a part sees none of these but its own. Others (PATH, proxies) pass. */
const OURS =
  /^(?:PORT|HOST|API_KEY(?:_FILE)?|API_DRAIN_SECONDS|METRICS_KEY(?:_FILE)?|AUTH_\w+|RATE_LIMIT_\w+|CORS_\w+|TEMPORAL_\w+|PAYLOAD_\w+|PLATFORM_\w+|SIMULATOR_\w+|WORKER_\w+|SWEEP_\w+|BARGE_\w+|CONFIRM_\w+|MEDIA_\w+|REDIS_URL(?:_FILE)?|LOG_LEVEL|OTEL_\w+)$/;

/** What each part may see. The API gets no credentials of the platform, the simulator none of the product. */
const SEES: Readonly<Record<PartName, RegExp>> = {
  temporal: /^$/,
  simulator: /^(?:SIMULATOR_\w+|PLATFORM_CLIENT_ID|PLATFORM_CLIENT_SECRET|PLATFORM_WEBHOOK_SECRET|LOG_LEVEL)$/,
  worker:
    /^(?:WORKER_\w+|METRICS_KEY(?:_FILE)?|TEMPORAL_(?!UI_URL$)\w+|PAYLOAD_\w+|PLATFORM_(?!WEBHOOK_SECRET(?:_FILE)?$)\w+|SWEEP_\w+|BARGE_\w+|CONFIRM_\w+|MEDIA_\w+|REDIS_URL(?:_FILE)?|LOG_LEVEL|OTEL_\w+)$/,
  api: /^(?:PORT|HOST|API_KEY(?:_FILE)?|API_DRAIN_SECONDS|METRICS_KEY(?:_FILE)?|AUTH_\w+|RATE_LIMIT_\w+|CORS_\w+|TEMPORAL_\w+|PAYLOAD_\w+|PLATFORM_WEBHOOK_SECRET(?:_FILE)?|REDIS_URL(?:_FILE)?|LOG_LEVEL|OTEL_\w+)$/,
};

/** Variables of `@temporalio/envconfig` that belong to a server elsewhere and would break the embedded one. */
const ELSEWHERE = /^TEMPORAL_(?:PROFILE|CONFIG_FILE|API_KEY|TLS\w*|GRPC_META_\w+|CODEC_\w+)$/;

/** The environment of one part: `env` less what isn't its business, with `settings` on top (they are filtered too). */
export function partEnvironment(part: PartName, env: Environment, settings: Environment): Environment {
  return Object.fromEntries(
    Object.entries({ ...env, ...settings }).filter(([name]) => !OURS.test(name) || SEES[part].test(name)),
  );
}

/** `env` without what would lead a client of the embedded Temporal server astray. */
export function withoutExternalTemporal(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !ELSEWHERE.test(name)));
}
