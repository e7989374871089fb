import { expect, test } from '@jest/globals';
import { createHttpPlatform } from '../../platform/http-platform.js';
import type { HttpPlatform } from '../../platform/http-platform.js';
import { PlatformError } from '../../platform/platform-error.js';
import { startSimulator } from '../../simulator/simulator.js';
import { figure } from '../support/figures.js';

/** Asks as much as it may, for a while. */
async function saturate(platform: HttpPlatform, interactionId: string, untilMs: number): Promise<void> {
  const asking = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      await platform.monitorState(interactionId).catch((error: unknown) => {
        if (!(error instanceof PlatformError) || error.fault.kind !== 'throttled') throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: 4 }, asking));
}

test('two workers share the limit of one platform, and one that is alone may use nearly all of it', async () => {
  const limit = 100;
  await using simulator = await startSimulator({
    port: 0,
    population: null,
    rateLimit: { limit, windowSeconds: 2 },
  });
  const { interactionId } = simulator.controls.addInteraction();
  const worker = () => {
    const platform = createHttpPlatform({
      baseUrl: simulator.baseUrl,
      clientId: 'earshot',
      clientSecret: 'earshot-dev-secret',
    });
    platform.shareWith(2);
    return platform;
  };
  const workers = [worker(), worker()];
  await Promise.all(workers.map((platform) => saturate(platform, interactionId, performance.now() + 8_000)));
  const asked = simulator.ledger.requests({ action: 'state' });
  const served = asked.filter(({ status }) => status === 200);
  const shares = [1, 2].map((nth) => served.filter(({ tokenNumber }) => tokenNumber === nth).length);
  const refused = asked.length - served.length;
  figure('two workers at 100 requests in 2 s, for 8 s', `${shares.join(' and ')} requests, ${refused} over the limit`);
  expect(Math.min(...shares)).toBeGreaterThan(Math.max(...shares) / 4);
  // Looks leave 30 in 100 to others; a window is some 2 s and the wait for its first answer.
  expect(served.length).toBeGreaterThan(70 * 2);
  expect(refused).toBeLessThanOrEqual(served.length * 0.02);

  await workers[1]?.close();
  const since = simulator.ledger.requests().at(-1)?.seq ?? 0;
  const [alone] = workers;
  if (alone === undefined) throw new Error('Expected a worker');
  await saturate(alone, interactionId, performance.now() + 6_000);
  const own = simulator.ledger.requests({ action: 'state', since }).filter(({ status }) => status === 200).length;
  figure('one of them alone, for 6 s', `${own} requests`);
  expect(own).toBeGreaterThan(70 * 1.2);
  await alone.close();
});
