/** Where the ingress listens natively, and whom it asks. */
export interface NativeIngress {
  readonly port: number;
  readonly apiPorts: readonly number[];
}

/**
 * The configuration of the ingress for this machine: without TLS, which `npm run topology` tries by itself, and with the
 * APIs by their addresses, where containers ask the DNS.
 *
 * @throws {Error} where it has not the lines that stand for these
 */
export function nativeIngress(config: string, { port, apiPorts }: NativeIngress): string {
  const servers = apiPorts.map((apiPort, index) => `  server api-${index + 1} 127.0.0.1:${apiPort}`).join('\n');
  const listening = replacedOnce(config, /^ {2}bind :8443 ssl .*$/m, `  bind 127.0.0.1:${port}`);
  return replacedOnce(listening, /^ {2}server-template .*$/m, servers);
}

function replacedOnce(text: string, what: RegExp, by: string): string {
  if (!what.test(text)) throw new Error(`Expected a line like ${what.source} in haproxy.cfg, got none`);
  return text.replace(what, by);
}
