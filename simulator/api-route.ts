/** What a request is about; for monitor commands the body says which (`start`, `barge`, …). */
export type RouteName =
  | 'token'
  | 'command'
  | 'state'
  | 'interactions'
  | 'media-server-groups'
  | 'media-metrics'
  | 'stream'
  | 'unknown';

export interface Route {
  readonly name: RouteName;
  /** The interaction named in the path. */
  readonly interactionId: string | null;
  /** The path exists, with another method only. */
  readonly wrongMethod: boolean;
}

interface Pattern {
  readonly name: RouteName;
  readonly method: 'GET' | 'POST';
  readonly path: RegExp;
}

/** The paths of `platform-api.md`. */
const PATTERNS: readonly Pattern[] = [
  { name: 'token', method: 'POST', path: /^\/api\/v2\/auth\/token$/ },
  { name: 'command', method: 'POST', path: /^\/api\/v2\/interactions\/telephony\/monitor$/ },
  { name: 'interactions', method: 'GET', path: /^\/api\/v2\/interactions$/ },
  { name: 'state', method: 'GET', path: /^\/api\/v2\/interactions\/([^/]+)\/telephony\/monitor$/ },
  { name: 'media-metrics', method: 'GET', path: /^\/api\/v2\/interactions\/([^/]+)\/telephony\/media-metrics$/ },
  { name: 'media-server-groups', method: 'GET', path: /^\/api\/v2\/telephony\/providers\/media-server-groups$/ },
  { name: 'stream', method: 'GET', path: /^\/api\/v2\/notifications\/stream$/ },
];

/** Finds what `method` and `path` (without query) ask for. */
export function routeOf(method: string, path: string): Route {
  for (const pattern of PATTERNS) {
    const match = pattern.path.exec(path);
    if (match === null) continue;
    const interactionId = match[1] === undefined ? null : decoded(match[1]);
    return { name: pattern.name, interactionId, wrongMethod: method !== pattern.method };
  }
  return { name: 'unknown', interactionId: null, wrongMethod: false };
}

/** A segment that isn't valid percent-encoding names no interaction; as it stands it matches none either. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
