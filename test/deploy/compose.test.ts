/**
 * What has to hold of `docker-compose.yml`, the `Dockerfile` and what they refer to. Whether the file is a compose file at all
 * Docker's own library says, and whether its services work together a run of them, both in `npm run topology`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { z } from 'zod';
import { apiSettings, settingsTable, workerSettings } from '../../domain/settings.js';
import { SEARCH_ATTRIBUTE_NAMES } from '../../domain/workflow-contract.js';
import { partEnvironment } from '../../scripts/part-environment.js';
import { nativeIngress } from '../../scripts/topology/ingress.js';
import { readComposeFile } from '../../scripts/topology/compose-file.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(`${ROOT}${path}`, 'utf8');

const service = z.looseObject({
  image: z.string(),
  build: z.string().optional(),
  user: z.string().optional(),
  restart: z.string(),
  read_only: z.boolean(),
  cap_drop: z.array(z.string()),
  environment: z.record(z.string(), z.string()).default({}),
  secrets: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  networks: z.array(z.string()).default([]),
  ports: z.array(z.string()).default([]),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  healthcheck: z.looseObject({ test: z.array(z.string()) }).optional(),
  stop_grace_period: z.string().optional(),
  deploy: z.object({
    /** A number, or the variable that gives one. */
    replicas: z.union([z.int(), z.string()]).default(1),
    resources: z.object({ limits: z.object({ cpus: z.string(), memory: z.string() }) }),
  }),
});
const compose = z
  .object({
    services: z.record(z.string(), service),
    networks: z.record(z.string(), z.object({ internal: z.boolean().default(false) })),
    volumes: z.record(z.string(), z.object({})),
    secrets: z.record(z.string(), z.object({ file: z.string() })),
  })
  .parse(parse(read('docker-compose.yml'), { merge: true }));
const services = Object.entries(compose.services);
const named = (name: string): z.output<typeof service> => service.parse(compose.services[name]);

/** Begin and end before others start. */
const JOBS = ['temporal-schema', 'temporal-namespace'];

test('images are pinned to a version, and nothing runs as root', () => {
  for (const [name, { image, user, build }] of services) {
    if (build === undefined)
      expect({ name, image }).toEqual({ name, image: expect.stringMatching(/:v?\d+(?:\.\d+)+(?:-|$)/) });
    // The page of Temporal has a user of its own, whose number is the image's business.
    if (name !== 'temporal-ui') expect({ name, user }).toEqual({ name, user: expect.stringMatching(/^[1-9]\d*:\d+$/) });
  }
  const version = /^\s*go\.temporal\.io\/server v(\S+)/m.exec(read('deploy/temporal-server/go.mod'))?.[1];
  expect(named('temporal').image).toBe(`temporalio/server:${version ?? ''}`);
  for (const job of JOBS) expect(named(job).image).toBe(`temporalio/admin-tools:${version ?? ''}`);
});

test('every container is confined, limited and restarted', () => {
  for (const [name, one] of services) {
    expect({ name, cap_drop: one.cap_drop, security: one['security_opt'] }).toEqual({
      name,
      cap_drop: ['ALL'],
      security: ['no-new-privileges:true'],
    });
    if (name !== 'temporal-ui') expect({ name, read_only: one.read_only }).toEqual({ name, read_only: true });
    expect(one.restart).toBe(JOBS.includes(name) ? 'on-failure:5' : 'unless-stopped');
  }
  expect(named('api').deploy.replicas).toBe('${API_REPLICAS:-2}');
  expect(named('worker').deploy.replicas).toBe('${WORKER_REPLICAS:-2}');
});

test('each waits for what it needs, which has a health check or is a job', () => {
  const dockerfile = read('Dockerfile');
  expect(dockerfile).toMatch(/^HEALTHCHECK /m);
  for (const [name, { healthcheck, build, depends_on: needs }] of services) {
    if (!JOBS.includes(name) && build === undefined)
      expect({ name, healthcheck }).not.toMatchObject({ healthcheck: undefined });
    for (const [other, { condition }] of Object.entries(needs)) {
      expect({ other, condition }).toEqual({
        other,
        condition: JOBS.includes(other) ? 'service_completed_successfully' : 'service_healthy',
      });
      expect(Object.keys(compose.services)).toContain(other);
      // One that it can't reach would be none.
      if (JOBS.includes(other)) continue;
      expect(named(name).networks.filter((network) => named(other).networks.includes(network))).not.toEqual([]);
    }
  }
});

test('all that is referred to is there, and all that is there is referred to', () => {
  const used = (of: (one: z.output<typeof service>) => readonly string[]) =>
    [...new Set(services.flatMap(([, one]) => of(one)))].toSorted();
  expect(used(({ secrets }) => secrets)).toEqual(Object.keys(compose.secrets).toSorted());
  expect(used(({ networks }) => networks)).toEqual(Object.keys(compose.networks).toSorted());
  const mounts = used(({ volumes }) => volumes).map((volume) => volume.split(':')[0] ?? '');
  const folders = mounts.filter((mount) => mount.startsWith('./'));
  expect(folders.filter((path) => !existsSync(`${ROOT}${path}`))).toEqual([]);
  expect(new Set(mounts.filter((mount) => !folders.includes(mount)))).toEqual(new Set(Object.keys(compose.volumes)));
  const making = read('deploy/make-secrets.sh');
  for (const [name, { file }] of Object.entries(compose.secrets)) {
    expect(file).toBe(`./deploy/secrets/${name}`);
    expect(making).toContain(name);
  }
  for (const [name, { environment, secrets }] of services) {
    const files = Object.values(environment).filter((value) => value.startsWith('/run/secrets/'));
    expect({ name, secrets: files.filter((file) => !secrets.includes(file.replace('/run/secrets/', ''))) }).toEqual({
      name,
      secrets: [],
    });
  }
});

test('no service is reached from elsewhere but by the ingress, and databases not even from the machine', () => {
  for (const [name, { ports }] of services) {
    const open = ports.filter((port) => !port.startsWith('127.0.0.1:'));
    expect({ name, open: open.length }).toEqual({ name, open: name === 'ingress' ? 1 : 0 });
  }
  const internal = Object.entries(compose.networks).flatMap(([name, network]) => (network.internal ? [name] : []));
  for (const name of ['postgres', 'redis', 'temporal', ...JOBS]) {
    expect(named(name).networks.filter((network) => !internal.includes(network))).toEqual([]);
    expect(named(name).ports).toEqual([]);
  }
});

const FILLED = readComposeFile(`${ROOT}docker-compose.yml`, {
  PLATFORM_BASE_URL: 'https://platform.example.com',
  PLATFORM_CLIENT_ID: 'earshot',
});
const SECRET_FILES = (path: string): string =>
  path.endsWith('webhook-secret') ? `whsec_${'a'.repeat(32)}` : 'a-secret-of-some-length';

test('API and worker know every variable that they are given, take them all, and get no others’ secrets', () => {
  const known = new Set(settingsTable().flatMap(({ name, secret }) => (secret ? [name, `${name}_FILE`] : [name])));
  for (const part of ['api', 'worker'] as const) {
    const { environment } = FILLED.service(part);
    expect(Object.keys(environment).filter((name) => !known.has(name))).toEqual([]);
    // The same as `npm start` would let through.
    expect(partEnvironment(part, environment, {})).toEqual(environment);
  }
  const api = apiSettings(FILLED.service('api').environment, SECRET_FILES);
  const worker = workerSettings(FILLED.service('worker').environment, SECRET_FILES);
  expect(api.temporalNamespace).toBe(worker.temporalNamespace);
  expect(api.redisUrl).toBe(worker.redisUrl);
  expect(FILLED.service('temporal-namespace').environment).toMatchObject({
    TEMPORAL_NAMESPACE: api.temporalNamespace,
    SEARCH_ATTRIBUTES: SEARCH_ATTRIBUTE_NAMES.join(' '),
  });
});

test('each has the time that its end takes', () => {
  const seconds = (name: string): number => Number(/^(\d+)s$/.exec(named(name).stop_grace_period ?? '')?.[1]);
  const { apiDrainSeconds } = apiSettings(FILLED.service('api').environment, SECRET_FILES);
  // docs/operations.md: 10 s and the draining; 15 s.
  expect(seconds('api')).toBeGreaterThan(10 + apiDrainSeconds);
  expect(seconds('worker')).toBeGreaterThan(15);
  // Longer than the ingress takes to see it: two looks, 2 s apart, that may take as long themselves.
  expect(apiDrainSeconds).toBeGreaterThanOrEqual(6);
});

test('the image is built from folders that there are, all of them let through by .dockerignore', () => {
  const dockerfile = read('Dockerfile');
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, paths = '']) => paths.split(' '));
  expect(copied.filter((path) => !existsSync(`${ROOT}${path}`))).toEqual([]);
  const ignore = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  expect(ignore[0]).toBe('*');
  expect(ignore.slice(1).toSorted()).toEqual([...new Set(copied)].map((path) => `!${path}`).toSorted());
  // Whatever the two processes may import.
  const build = z
    .object({ include: z.array(z.string()) })
    .parse(parse(read('tsconfig.build.json').replace(/^\s*\/\/.*$/gm, '')));
  const notShipped = ['simulator', 'examples', 'scripts'];
  const needed = build.include.map((glob) => glob.split('/')[0] ?? '').filter((folder) => !notShipped.includes(folder));
  expect(needed.filter((folder) => !copied.includes(folder))).toEqual([]);
  const final = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
  expect(final).toMatch(/^USER node$/m);
  expect(final).not.toMatch(/npm/);
  for (const part of ['api', 'worker'] as const) expect(existsSync(`${ROOT}${part}/main.ts`)).toBe(true);
});

test('the ingress can be made native, and its drain is the API’s', () => {
  const config = read('deploy/ingress/haproxy.cfg');
  const native = nativeIngress(config, { port: 8001, apiPorts: [8002, 8003] });
  expect(native).toContain('  bind 127.0.0.1:8001\n');
  expect(native).toContain('  server api-1 127.0.0.1:8002\n  server api-2 127.0.0.1:8003');
  expect(config).toContain('inter 2s fall 2');
  expect(() => nativeIngress('frontend https', { port: 1, apiPorts: [] })).toThrow('haproxy.cfg');
});
