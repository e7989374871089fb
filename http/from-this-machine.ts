import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../domain/settings.js';

/** Headers of proxies: whoever asked is somebody else then. */
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'];

/**
 * Whether a request comes from this machine, and not through a proxy on it as far as can be told, nor from a page whose
 * name somebody has pointed at it (DNS rebinding): such a request names another host.
 */
export function isFromThisMachine(request: IncomingMessage): boolean {
  const { headers, socket } = request;
  const from = socket.remoteAddress?.replace(/^::ffff:/i, '');
  if (from === undefined || !isLoopback(from)) return false;
  if (FORWARDED.some((name) => headers[name] !== undefined)) return false;
  return isForThisMachine(request);
}

/** Whether a request names this machine as the one that it is for, whoever has sent it. */
export function isForThisMachine({ headers }: IncomingMessage): boolean {
  const host = /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(headers.host ?? '');
  return isLoopback(host?.[1] ?? host?.[2] ?? '');
}
