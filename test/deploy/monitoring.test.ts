import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { z } from 'zod';

const ROOT = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');
const operations = read('docs/operations.md');

const groups = z.object({
  groups: z.array(
    z.object({
      name: z.string(),
      rules: z.array(
        z.object({
          alert: z.string(),
          expr: z.string(),
          for: z.string().optional(),
          labels: z.object({ severity: z.enum(['warning', 'critical']) }).optional(),
          annotations: z.object({ summary: z.string() }).optional(),
        }),
      ),
    }),
  ),
});
const alerts = groups.parse(parse(read('deploy/prometheus/alerts.yml'))).groups.flatMap(({ rules }) => rules);

const dashboard = z
  .object({
    panels: z.array(
      z.object({
        title: z.string(),
        datasource: z.object({ uid: z.string() }),
        gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
        targets: z.array(z.object({ expr: z.string() })).min(1),
      }),
    ),
  })
  .parse(JSON.parse(read('deploy/grafana/dashboards/earshot.json')));

/** What Prometheus itself adds. */
const PROMETHEUS = ['up'];
const WORDS = new Set(
  'sum min max avg count absent rate increase histogram_quantile time vector by and or unless'.split(' '),
);

/** Every name of a metric in an expression: what is left without strings, labels, ranges, numbers and PromQL's words. */
function metricsIn(expr: string): string[] {
  const bare = expr
    .replaceAll(/\{[^}]*\}/g, ' ')
    .replaceAll(/\[[^\]]*\]/g, ' ')
    .replaceAll(/\bby\s*\([^)]*\)/g, ' ');
  return [...bare.matchAll(/[a-z_]\w*/gi)].map(([name]) => name).filter((name) => !WORDS.has(name));
}

test('alerts and dashboard ask for metrics that docs/operations.md describes', () => {
  const described = new Set(
    [...operations.matchAll(/`((?:earshot|temporal|process|nodejs)_\w+)`/g)].map(([, name]) => name),
  );
  const exprs = [...alerts, ...dashboard.panels.flatMap(({ targets }) => targets)].map(({ expr }) => expr);
  expect(exprs.length).toBeGreaterThan(30);
  const asked = exprs.flatMap(metricsIn);
  const unknown = asked.filter(
    (name) =>
      !PROMETHEUS.includes(name) && !described.has(name) && !described.has(name.replace(/_(?:bucket|sum|count)$/, '')),
  );
  expect(unknown).toEqual([]);
  expect(metricsIn('sum by (le) (rate(earshot_x_bucket{a="b"}[5m])) / 2 > up')).toEqual(['earshot_x_bucket', 'up']);
});

test('the alerts of docs/operations.md are those that are deployed, each with what to do in docs/deployment.md', () => {
  const [, block = ''] = /## Alerts\n[^]*?```yaml\n([^]*?)```/.exec(operations) ?? [];
  const proposed = groups.parse(parse(block)).groups.flatMap(({ rules }) => rules);
  expect(proposed.length).toBeGreaterThan(10);
  const essence = (rules: typeof alerts) =>
    rules.map(({ alert, expr, for: lasting }) => ({ alert, expr: expr.trim(), lasting }));
  expect(essence(alerts)).toEqual(expect.arrayContaining(essence(proposed)));
  const deployment = read('docs/deployment.md');
  for (const { alert, annotations, labels } of alerts) {
    expect({ alert, summary: annotations?.summary }).toEqual({ alert, summary: expect.any(String) });
    expect({ alert, severity: labels?.severity }).toEqual({ alert, severity: expect.any(String) });
    expect(deployment).toMatch(new RegExp(`^\\| \`${alert}\` +\\|`, 'm'));
  }
});

test('Prometheus and Grafana find what is scraped and shown', () => {
  const { scrape_configs: jobs, rule_files: rules } = z
    .object({
      rule_files: z.array(z.string()),
      scrape_configs: z.array(
        z.looseObject({
          job_name: z.string(),
          dns_sd_configs: z.array(z.object({ names: z.array(z.string()), port: z.number() })).optional(),
        }),
      ),
    })
    .parse(parse(read('deploy/prometheus/prometheus.yml')));
  expect(rules).toEqual(['alerts.yml']);
  const compose = read('docker-compose.yml');
  const targets = jobs.flatMap(({ dns_sd_configs: found }) => found ?? []);
  expect(targets.map(({ names: [name], port }) => `${name ?? ''}:${port}`)).toEqual(['api:8080', 'worker:9464']);
  for (const { port } of targets) expect(compose).toContain(`PORT: '${port}'`);
  const source = read('deploy/grafana/provisioning/datasources/prometheus.yml');
  expect(new Set(dashboard.panels.map(({ datasource }) => datasource.uid))).toEqual(new Set(['prometheus']));
  expect(source).toContain('uid: prometheus');
  // No panel lies over another.
  for (const [index, { gridPos: one, title }] of dashboard.panels.entries()) {
    for (const { gridPos: other, title: below } of dashboard.panels.slice(index + 1)) {
      const overlaps =
        one.x < other.x + other.w && other.x < one.x + one.w && one.y < other.y + other.h && other.y < one.y + one.h;
      expect({ title, below, overlaps }).toEqual({ title, below, overlaps: false });
    }
  }
});
