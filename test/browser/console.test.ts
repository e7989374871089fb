import { afterAll, afterEach, beforeAll, describe } from '@jest/globals';
import { HAS_CHROMIUM } from './chromium.js';
import { testAccessibility } from './console/accessibility.js';
import { testConnection } from './console/connection.js';
import { testContention } from './console/contention.js';
import { testKeyboard } from './console/keyboard.js';
import { testLife } from './console/life.js';
import { testManyCalls } from './console/many-calls.js';
import { testStates } from './console/states.js';
import { ConsoleWorld } from './console/world.js';

const NEEDED = '(needs chromium: apt-get install chromium, or its path in CHROMIUM_PATH)';

/** One file, so that all of it has one Temporal server, one worker and one browser. */
(HAS_CHROMIUM ? describe : describe.skip)(`the supervisors' page ${NEEDED}`, () => {
  let started: ConsoleWorld | undefined;
  const world = (): ConsoleWorld => {
    if (started === undefined) throw new Error('it has not started');
    return started;
  };
  beforeAll(async () => {
    started = await ConsoleWorld.start();
  });
  afterEach(() => world().tidy());
  afterAll(() => started?.[Symbol.asyncDispose]());

  testStates(world);
  testLife(world);
  testContention(world);
  testConnection(world);
  testKeyboard(world);
  testAccessibility(world);
  testManyCalls(world);
});
