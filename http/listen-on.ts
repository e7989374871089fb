import type { Server } from 'node:net';

/**
 * Listens, and answers the port: the one asked for or, for 0, the free one that was found.
 * @throws the error of `listen`, such as `EADDRINUSE`
 */
export async function listenOn(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

/** The address for people and programs: `http://127.0.0.1:8080`. */
export function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
