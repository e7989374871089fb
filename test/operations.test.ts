import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { Registry } from 'prom-client';
import { ApiMetrics } from '../api/metrics.js';
import { ANNOUNCED } from '../domain/announcements.js';
import { addProcessMetrics } from '../telemetry/process-metrics.js';
import { WorkerMetrics } from '../worker/metrics.js';

const ROOT = new URL('../', import.meta.url);
const page = readFileSync(new URL('docs/operations.md', ROOT), 'utf8');

interface Described {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
}

/** The rows of the page's tables of metrics: name, kind and labels, which stand before what they mean. */
function documented(prefix: string): Described[] {
  return page.split('\n').flatMap((line) => {
    const [name = '', kind = '', labels = ''] = line
      .split('|')
      .slice(1)
      .map((cell) => cell.trim());
    if (!name.startsWith(`\`${prefix}`)) return [];
    return [
      { name: name.replaceAll('`', ''), type: kind, labels: [...labels.matchAll(/`(\w+)`/g)].map(([, l = '']) => l) },
    ];
  });
}

function exported(...registries: Registry[]): Described[] {
  return registries.flatMap((registry) =>
    registry.getMetricsAsArray().map((metric) => {
      const labels = 'labelNames' in metric && Array.isArray(metric.labelNames) ? metric.labelNames.map(String) : [];
      return { name: metric.name, type: String(metric.type), labels };
    }),
  );
}

const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);

test('the page describes every metric that is exported, with its kind and labels, and no other', () => {
  const own = exported(new ApiMetrics().registry, new WorkerMetrics().registry);
  expect(own.length).toBeGreaterThan(30);
  expect(documented('earshot_').toSorted(byName)).toEqual(own.toSorted(byName));
});

test('the page names every metric of the process, and no other', () => {
  const registry = new Registry();
  addProcessMetrics(registry);
  const named = new Set([...page.matchAll(/`((?:process|nodejs)_\w+)`/g)].map(([, name = '']) => name));
  expect([...named].toSorted()).toEqual(
    exported(registry)
      .map(({ name }) => name)
      .toSorted(),
  );
});

test('alerts and prose speak of metrics that there are', () => {
  const names = new Set(documented('earshot_').map(({ name }) => name));
  const mentioned = [...page.matchAll(/\bearshot_\w+/g)].map(([name]) => name.replace(/_(?:bucket|sum|count)$/, ''));
  expect(mentioned.filter((name) => !names.has(name))).toEqual([]);
});

/** Files whose lines are not named by a literal, and what they are. */
const UNNAMED: Readonly<Record<string, string>> = {
  'api/request-context.ts': 'one line for each request',
  'worker/runtime-log.ts': 'what the SDK says',
  'worker/main.ts': 'announcements, whose type is the name',
};

/** The names of events in a call of a logger: `'a.b'`, or `` `a.b: …` `` with words for people. */
function eventsIn(file: string): string[] {
  const source = readFileSync(new URL(file, ROOT), 'utf8');
  return [...source.matchAll(/\blog(?:\.(?:trace|debug|info|warn|error|fatal)|\[[^\]]+\]+)\(/g)].flatMap(
    ({ index, 0: call }) => {
      const rest = source.slice(index + call.length);
      const statement = rest.slice(0, rest.search(/;\n/));
      const named = [...statement.matchAll(/['`]([a-z-]+\.[a-z-]+)(?=['`]|: )/g)].map(([, name = '']) => name);
      // The sweep's two parts fail alike.
      const parts = statement.includes('`${part}.failed`') ? ['sweep.failed', 'round.failed'] : [];
      const found = [...named, ...parts];
      if (found.length === 0 && UNNAMED[file] === undefined)
        throw new Error(`${file} logs without a name: log…(${statement}`);
      return found;
    },
  );
}

test('the page describes every event that is logged, and no other', () => {
  const files = ['api', 'bus', 'worker', 'activities', 'workflows', 'directory', 'platform', 'tracing'].flatMap(
    (folder) => readdirSync(new URL(folder, ROOT)).map((name) => `${folder}/${name}`),
  );
  const logged = new Set([...files.flatMap(eventsIn), ...ANNOUNCED, 'session.updated']);
  expect(logged.size).toBeGreaterThan(30);
  const rows = page.split('\n').flatMap((line) => {
    const [, name] = /^\| `([a-z-]+\.[a-z-]+)` *\| (?:debug|info|warn|error) /.exec(line) ?? [];
    return name === undefined ? [] : [name];
  });
  expect([...new Set(rows)].toSorted()).toEqual([...logged].toSorted());
});
