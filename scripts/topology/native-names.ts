import type { ComposeService } from './compose-file.js';

const LOOPBACK = '127.0.0.1';

/** Where things are natively that have other names in containers. */
export interface NativePlaces {
  /** `temporal:7233` → the port that stands for it on this machine. */
  readonly ports: ReadonlyMap<string, number>;
  /** Folders and files: `/run/secrets` → a folder here. */
  readonly paths: ReadonlyMap<string, string>;
}

/** What stands in an environment or a command of the compose file, as it is called on this machine. */
export function native(text: string, { ports, paths }: NativePlaces): string {
  let result = text;
  for (const [name, port] of ports) {
    result = result.replaceAll(new RegExp(`(?<![\\w.-])${name}(?!\\d)`, 'g'), `${LOOPBACK}:${port}`);
  }
  for (const [there, here] of paths) {
    if (result === there || result.startsWith(`${there}/`)) result = here + result.slice(there.length);
  }
  return result.replaceAll('0.0.0.0', LOOPBACK);
}

/**
 * Where the host is named by itself, and the port by another variable: `SQL_HOST` and `SQL_PORT`.
 */
const PAIRS = [
  ['SQL_HOST', 'SQL_PORT'],
  ['POSTGRES_SEEDS', 'DB_PORT'],
] as const;

/** The environment of a service as it is natively. */
export function nativeEnvironment({ environment }: ComposeService, places: NativePlaces): Record<string, string> {
  const result = Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, native(value, places)]));
  for (const [host, port] of PAIRS) {
    const found = places.ports.get(`${environment[host] ?? ''}:${environment[port] ?? ''}`);
    if (found !== undefined) Object.assign(result, { [host]: LOOPBACK, [port]: String(found) });
  }
  return result;
}

/** The folders of the project that a service has, by where they are in its container: `./deploy/temporal:/etc/earshot:ro`. */
export function boundFolders({ volumes }: ComposeService, root: string): Map<string, string> {
  return new Map(
    volumes.flatMap((volume) => {
      const [here = '', there = ''] = volume.split(':');
      return here.startsWith('./') ? [[there, `${root}/${here.slice(2)}`] as const] : [];
    }),
  );
}
