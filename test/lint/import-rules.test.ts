import { expect, test } from '@jest/globals';
import { ESLint } from 'eslint';

// This one rule needs no types, and loading those of the whole project takes longer than all of these tests.
const RULE = '@typescript-eslint/no-restricted-imports';
const eslint = new ESLint({
  ruleFilter: ({ ruleId }) => ruleId === RULE,
  overrideConfig: { languageOptions: { parserOptions: { project: null } } },
});

/** The messages of the import rule for one line of code, as if it stood in that file. */
async function refusals(filePath: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(`${code}\n`, { filePath });
  return (result?.messages ?? []).filter(({ ruleId }) => ruleId === RULE).map(({ message }) => message);
}

test.each([
  [
    'api/server.ts',
    "import { createHttpPlatform } from '../platform/http-platform.js';",
    'api/ must not import platform/',
  ],
  [
    'api/server.ts',
    "import { stopSignal } from '../workflows/session-messages.js';",
    'api/ must not import workflows/',
  ],
  ['domain/session.ts', "import { readFile } from 'node:fs/promises';", 'domain/ may import these packages only: zod'],
  [
    'domain/session.ts',
    "import { PlatformError } from '../platform/platform-error.js';",
    'domain/ must not import platform/',
  ],
  ['workflows/workflows.ts', "import { createActivities } from '../activities/activities.js';", 'as types only'],
  ['workflows/workflows.ts', "import { pino } from 'pino';", 'workflows/ may import these packages only'],
  [
    'platform/http-platform.ts',
    "import { createActivities } from '../activities/activities.js';",
    'must not import activities/',
  ],
  [
    'directory/event-router.ts',
    "import { PlatformError } from '../platform/platform-error.js';",
    'directory/ must not import platform/',
  ],
  [
    'simulator/simulator.ts',
    "import { monitorMode } from '../domain/session.js';",
    'simulator/ must not import domain/',
  ],
  [
    'scripts/start.ts',
    "import { startSimulator } from '../simulator/simulator.js';",
    'scripts/ must not import simulator/',
  ],
])('%s refuses %s', async (filePath, code, message) => {
  expect(await refusals(filePath, code)).toEqual([expect.stringContaining(message)]);
});

test.each([
  ['workflows/workflows.ts', "import type { Activities } from '../activities/activities.js';"],
  ['activities/activities.ts', "import { createHttpPlatform } from '../platform/http-platform.js';"],
  ['api/server.ts', "import { sessionState } from '../domain/session.js';"],
  ['api/server.ts', "import { EventRouter } from '../directory/event-router.js';"],
  ['domain/session.ts', "import { z } from 'zod';"],
])('%s allows %s', async (filePath, code) => {
  expect(await refusals(filePath, code)).toEqual([]);
});
