import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { BundleOptions } from '../../worker/workflow-bundle.js';
import { testBundle } from '../support/workflow-bundle.js';

const ROOT = join(import.meta.dirname, '../..');
/** Imports and re-exports that are carried out when a file is loaded: not those of types, and not `import()`. */
const STATIC = /^(?:import|export) (?!type )(?:[^;']*? from )?'([^']+)';$/gm;

/** All that is loaded with a file: files of this project, and packages by their names. */
function loadedWith(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const [, name = ''] of readFileSync(join(ROOT, file), 'utf8').matchAll(STATIC)) {
    if (!name.startsWith('.')) seen.add(name);
    else loadedWith(join(dirname(file), name.replace(/\.js$/, '.ts')), seen);
  }
  return seen;
}

test.each(['api/main.ts', 'worker/main.ts'])('%s loads nothing of OpenTelemetry unless it is asked to', (main) => {
  const loaded = [...loadedWith(main)];
  expect(loaded.length).toBeGreaterThan(50);
  expect(loaded.filter((name) => name.startsWith('@opentelemetry/') || name.startsWith('tracing/'))).toEqual([]);
});

test('what is loaded then does', () => {
  const loaded = loadedWith('tracing/worker-tracing.ts');
  expect([...loaded].some((name) => name.startsWith('@opentelemetry/'))).toBe(true);
});

test('the workflows of a worker that does not trace have no interceptors, and no workflows have OpenTelemetry', async () => {
  const [plain, traced] = [await codeOf({ isTraced: false }), await codeOf({ isTraced: true })];
  expect(plain).not.toContain('_tracer-data');
  expect(traced).toContain('_tracer-data');
  expect(traced).not.toContain('@opentelemetry/');
});

/** Less the source map, which is most of it. */
async function codeOf(options: BundleOptions): Promise<string> {
  const bundle = await testBundle(options);
  const code = 'codePath' in bundle ? readFileSync(bundle.codePath, 'utf8') : bundle.code;
  return code.replace(/^\/\/# sourceMappingURL=.*$/m, '');
}
