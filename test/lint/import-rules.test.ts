import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { z } from 'zod';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const OXLINT = join(ROOT, 'node_modules', 'oxlint', 'bin', 'oxlint');
const CONFIG = 'oxlint.config.mjs';

const REFUSED = [
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
    'workflows/workflows.ts',
    "import { Client } from '@temporalio/client';",
    'workflows/ may import these packages only',
  ],
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
  [
    'examples/qa-pipeline.ts',
    "import { sessionWorkflowId } from '../domain/identifiers.js';",
    'examples/ must not import domain/',
  ],
  ['examples/qa-pipeline.ts', "import { pino } from 'pino';", 'examples/ may import these packages only'],
  ['browser/media-profile.ts', "import { z } from 'zod';", 'browser/ may import these packages only: none'],
  [
    'browser/media-profile.ts',
    "import type { Session } from '../domain/session.js';",
    'browser/ must not import domain/',
  ],
  [
    'bench/rival/main.ts',
    "import { sessionState } from '../../domain/session.js';",
    'bench/rival/ must not import domain/',
  ],
] as const;

const ALLOWED = [
  ['workflows/workflows.ts', "import type { Activities } from '../activities/activities.js';"],
  ['activities/activities.ts', "import { createHttpPlatform } from '../platform/http-platform.js';"],
  ['api/server.ts', "import { sessionState } from '../domain/session.js';"],
  ['api/server.ts', "import { EventRouter } from '../directory/event-router.js';"],
  ['domain/session.ts', "import { z } from 'zod';"],
  ['domain/session.ts', "import { z } from './deep/er.js';"],
  ['examples/qa-pipeline.ts', "import { Client } from '@temporalio/client';"],
  ['examples/qa-pipeline.ts', "import { setTimeout } from 'node:timers/promises';"],
  ['workflows/deep/er.ts', "import { condition } from '@temporalio/workflow';"],
  ['workflows/deep/er.ts', "import { sessionState } from '../../domain/session.js';"],
] as const;

const report = z.object({
  diagnostics: z.array(
    z.object({ code: z.string().optional(), help: z.string().optional(), filename: z.string().optional() }),
  ),
});

/** The file of a case: beside the one it speaks of, so that all of them can be there at once. */
function fileOf(filePath: string, code: string): string {
  return join(dirname(filePath), `${createHash('sha256').update(code).digest('hex').slice(0, 12)}.ts`);
}

let folder: string;
let diagnostics: z.infer<typeof report>['diagnostics'];

beforeAll(async () => {
  // In the project, where the configuration finds its packages.
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  folder = mkdtempSync(join(ROOT, '.cache', 'import-rules-'));
  cpSync(join(ROOT, CONFIG), join(folder, CONFIG));
  const files = [...REFUSED, ...ALLOWED].map(([filePath, code]) => ({ path: fileOf(filePath, code), code }));
  for (const { path, code } of files) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${code}\n`);
  }
  // Exits with 1 where it has found something.
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [OXLINT, '-c', CONFIG, '-f', 'json', ...files.map(({ path }) => path)],
    {
      cwd: folder,
      maxBuffer: 16 * 1_024 * 1_024,
    },
  ).catch((error: unknown) => z.object({ stdout: z.string() }).parse(error));
  ({ diagnostics } = report.parse(JSON.parse(stdout)));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** What the import rule says of one line of code, as if it stood in that file. */
function refusals(filePath: string, code: string): string[] {
  const file = fileOf(filePath, code);
  return diagnostics
    .filter((one) => one.filename?.endsWith(file) === true && one.code?.includes('no-restricted-imports') === true)
    .map(({ help = '' }) => help);
}

test.each(REFUSED)('%s refuses %s', (filePath, code, message) => {
  expect(refusals(filePath, code)).toEqual([expect.stringContaining(message)]);
});

test.each(ALLOWED)('%s allows %s', (filePath, code) => {
  expect(refusals(filePath, code)).toEqual([]);
});
