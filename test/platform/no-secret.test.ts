import { inspect } from 'node:util';
import { afterEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { HttpExchange } from '../../platform/http-exchange.js';
import { TokenSource } from '../../platform/token-source.js';
import { adapterFor, closeAll, errorOf, LEG, nthToken, ScriptedServer, SECRET } from './scripted-server.js';

afterEach(closeAll);

/** Everything that a careless log line, error report or answer could make of a value. */
function shown(value: unknown): string {
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => lines.push(line) });
  log.error({ err: value, value }, String(value));
  log.info(value);
  return [
    inspect(value, { depth: Infinity, showHidden: true, getters: true }),
    JSON.stringify(value),
    String(value),
    value instanceof Error ? value.stack : '',
    ...lines,
  ].join('\n');
}

function expectNoSecret(value: unknown): void {
  const text = shown(value);
  expect(text).not.toContain(SECRET);
  expect(text).not.toContain(encodeURIComponent(SECRET));
  expect(text).not.toContain(nthToken(1));
  expect(text).not.toContain(nthToken(2));
}

test('adapter and token source show neither token nor secret', async () => {
  const server = await ScriptedServer.start();
  server.answers({ status: 200, body: { status: 'terminated' } });
  const platform = adapterFor(server);
  await platform.stopMonitor(LEG);
  expectNoSecret(platform);

  const exchange = new HttpExchange({ baseUrl: server.baseUrl, connections: 1, connectMs: 1_000 });
  const source = new TokenSource({ exchange, clientId: 'client-1', clientSecret: SECRET, timeoutMs: 1_000 });
  const fetching = source.token();
  expectNoSecret(source);
  expect(await fetching).toBe(nthToken(2));
  expectNoSecret(source);
  expectNoSecret(exchange);
  await exchange.close();
});

test('errors hold no token and no secret, even if the platform repeats them', async () => {
  const server = await ScriptedServer.start();
  const platform = adapterFor(server, { timeouts: { startMs: 50 } });
  const echo = (status: number) => {
    server.onCall = ({ headers }) => {
      const token = headers.authorization?.slice('Bearer '.length) ?? '';
      return {
        status,
        body: {
          code: token,
          message: token,
          conflictingMonitorSessionId: token,
          monitorSessionId: token,
          interactionId: 'int-1',
        },
        headers: { 'x-echo': token },
      };
    };
  };
  for (const status of [200, 202, 302, 400, 401, 403, 404, 409, 410, 429, 500]) {
    echo(status);
    expectNoSecret(await errorOf(platform.startMonitor({ interactionId: 'int-1' })));
    expectNoSecret(await errorOf(platform.changeMode(LEG, 'barge')));
  }
  server.onCall = (_seen, response) => void response.destroy();
  expectNoSecret(await errorOf(platform.startMonitor({ interactionId: 'int-1' })));
  server.onCall = () => undefined;
  expectNoSecret(await errorOf(platform.startMonitor({ interactionId: 'int-1' })));
  // Not HTTP, right where the token was sent
  server.onCall = ({ headers }, response) => {
    response.socket?.end(`HTTP/1.1 200 OK\r\n${headers.authorization ?? ''}\x00: x\r\n\r\n`);
    return undefined;
  };
  expectNoSecret(await errorOf(platform.startMonitor({ interactionId: 'int-1' })));
});

test('a token endpoint that repeats the secret, in any status, puts it nowhere', async () => {
  const server = await ScriptedServer.start();
  for (const status of [200, 302, 400, 401, 404, 429, 500]) {
    server.onToken = () => ({ status, body: { code: SECRET, message: SECRET, access_token: `${SECRET}\n` } });
    expectNoSecret(await errorOf(adapterFor(server).startMonitor({ interactionId: 'int-1' })));
  }
});
