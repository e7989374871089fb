import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { HttpPlatform } from '../../platform/http-platform.js';
import { PlatformError } from '../../platform/platform-error.js';
import type { PlatformFaultKind } from '../../platform/platform-error.js';
import { adapterFor, closeAll, LEG, ScriptedServer } from './scripted-server.js';

let server: ScriptedServer;
let platform: HttpPlatform;
beforeAll(async () => {
  server = await ScriptedServer.start();
  platform = adapterFor(server);
});
afterAll(closeAll);

const status = fc.oneof(
  fc.integer({ min: 200, max: 599 }),
  fc.constantFrom(200, 202, 204, 302, 400, 403, 404, 408, 409, 410, 429, 500, 503),
);
const nearlyRight = fc.record(
  {
    code: fc.oneof(fc.anything(), fc.constantFrom('monitor.not.active', 'barge.conflict', 'interaction.ended')),
    conflictingMonitorSessionId: fc.anything(),
    monitorSessionId: fc.anything(),
    interactionId: fc.oneof(fc.constant('int-1'), fc.anything()),
    mode: fc.oneof(fc.constant('barge'), fc.anything()),
    status: fc.anything(),
    bargeStatus: fc.constant('inactive'),
    monitors: fc.oneof(fc.constant([]), fc.anything()),
    entities: fc.anything(),
  },
  { requiredKeys: [] },
);
const body = fc.oneof(fc.string({ unit: 'binary' }), fc.json(), fc.anything().map(asJson), nearlyRight.map(asJson));
const headers = fc.record({ 'retry-after': fc.string({ unit: 'grapheme-ascii' }) }, { requiredKeys: [] });

const CALLS: readonly (() => Promise<unknown>)[] = [
  () => platform.startMonitor({ interactionId: 'int-1' }),
  () => platform.changeMode(LEG, 'barge'),
  () => platform.stopMonitor(LEG),
  () => platform.monitorState('int-1'),
  () => platform.listInteractions({ status: 'connected', pageSize: 1 }),
];

/** Kinds that say for certain that a call changed nothing; a `2xx` or `5xx` must never end in one. */
const NOTHING_HAPPENED: readonly PlatformFaultKind[] = [
  'unreachable',
  'throttled',
  'forbidden',
  'not-ready',
  'invalid',
  'busy',
];

test('whatever is answered, a call resolves or rejects with a PlatformError of a kind that fits', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...CALLS), status, body, headers, async (call, given, text, extra) => {
      server.onCall = () => ({ status: given, body: text, headers: extra });
      const error: unknown = await call().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (error === undefined) return;
      expect(error).toBeInstanceOf(PlatformError);
      if (!(error instanceof PlatformError)) return;
      if (given < 300 || given >= 500) expect(NOTHING_HAPPENED).not.toContain(error.fault.kind);
      else expect(error.fault.kind === 'ambiguous').toBe(given === 408);
    }),
    { numRuns: 250 },
  );
});

test('whatever the token endpoint answers, a call fails with a PlatformError that says it was not sent', async () => {
  await fc.assert(
    fc.asyncProperty(status, body, headers, async (given, text, extra) => {
      const before = server.calls.length;
      server.onToken = () => ({ status: given, body: text, headers: extra });
      const fresh = adapterFor(server);
      const error: unknown = await fresh.startMonitor({ interactionId: 'int-1' }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(PlatformError);
      if (!(error instanceof PlatformError)) return;
      expect(['unauthorized', 'throttled', 'unreachable']).toContain(error.fault.kind);
      expect(server.calls).toHaveLength(before);
      await fresh.close();
    }),
    { numRuns: 50 },
  );
});

function asJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return '{}'; // bigint, or toJSON that throws
  }
}
