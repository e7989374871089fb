import { createServer } from 'node:net';
import { listenOn } from '../http/listen-on.js';

/** Somebody else may take a port that was found free, once in a blue moon. */
const ATTEMPTS = 5;

/** How long the SDK may take to tell, ms. */
const LIMIT_MS = 2_000;

/**
 * Temporal's SDK tells its metrics over HTTP only, at an address that it must be given and cannot find by itself: this
 * is one on loopback, read by the worker's own `/metrics`, so that each worker has one page and one port to be known.
 */
export class SdkMetrics {
  #address: string | undefined;

  /**
   * Finds a free address and has the SDK listen there.
   * @param install throws where it cannot
   */
  async bind(install: (bindAddress: string) => void): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const address = `127.0.0.1:${await freePort()}`;
      try {
        install(address);
        this.#address = address;
        return;
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
      }
    }
  }

  /** In Prometheus' text format; a comment where the SDK does not tell. */
  async page(): Promise<string> {
    if (this.#address === undefined) return '';
    try {
      const answer = await fetch(`http://${this.#address}/metrics`, { signal: AbortSignal.timeout(LIMIT_MS) });
      if (answer.ok) return await answer.text();
    } catch {
      // Said below; the worker's own are worth as much without them.
    }
    return '# The metrics of Temporal’s SDK could not be had.\n';
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listenOn(server, { host: '127.0.0.1', port: 0 });
  await new Promise((resolve) => server.close(resolve));
  return port;
}
