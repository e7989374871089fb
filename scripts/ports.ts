import { createServer, type AddressInfo } from 'node:net';
import { messageOf, systemErrorCode } from './system-error.js';

/** A port that the product is going to listen on. */
export interface PortWish {
  /** The setting it comes from: `PORT`. */
  readonly setting: string;
  /** The setting `host` comes from, where there is one. */
  readonly hostSetting?: string;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

/** The port to use for each wish, by its setting; or one line for each wish that can't be had. */
export type PortCheck =
  | { readonly ok: true; readonly ports: ReadonlyMap<string, number> }
  | { readonly ok: false; readonly faults: readonly string[] };

/**
 * Tries every port by listening on it for a moment. A wish for any free port is given one for good, so that a part
 * comes back at the same address when it is restarted.
 */
export async function checkPorts(wishes: readonly PortWish[]): Promise<PortCheck> {
  const ports = new Map<string, number>();
  const faults: string[] = [];
  for (const wish of wishes) {
    try {
      ports.set(wish.setting, await listenOnce(wish, new Set(ports.values())));
    } catch (error) {
      faults.push(explain(wish, error));
    }
  }
  return faults.length > 0 ? { ok: false, faults } : { ok: true, ports };
}

/** A port of loopback that is free now. @param taken ports that somebody has been given already */
export function freePort(taken: ReadonlySet<number> = new Set()): Promise<number> {
  return listenOnce({ setting: '', host: '127.0.0.1', port: 0 }, taken);
}

async function listenOnce({ host, port }: PortWish, taken: ReadonlySet<number>): Promise<number> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, exclusive: true }, resolve);
    });
    const got = portOf(server.address());
    // The system may hand out the same free port twice in a row, once it is closed.
    return port === 0 && taken.has(got) ? await listenOnce({ setting: '', host, port }, taken) : got;
  } finally {
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  }
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('Expected a TCP address');
  return address.port;
}

function explain({ setting, hostSetting, host, port }: PortWish, error: unknown): string {
  switch (systemErrorCode(error)) {
    case 'EADDRINUSE':
      return `${setting} ${port} is already in use on ${host}: stop the other program or set ${setting}=…`;
    case 'EACCES':
      return `${setting} ${port} may not be used by this user: set ${setting}=… to one from 1024 up`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${hostSetting ?? 'the host'} ${host} is not an address of this machine: set ${hostSetting ?? 'it'} to one that is`;
    default:
      return `${setting} ${port} on ${host} can't be listened on: ${messageOf(error)}`;
  }
}
