import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { workerDeployment } from '../../worker/deployment.js';

const folder = mkdtempSync(join(tmpdir(), 'earshot-deployment-'));
const bundle = (code: string): string => {
  const path = join(folder, `${code}.cjs`);
  writeFileSync(path, code);
  return path;
};

const named = { workerDeploymentName: 'earshot', workerBuildId: undefined };

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a worker without a deployment has no version', async () => {
  expect(await workerDeployment({ workerDeploymentName: undefined, workerBuildId: 'b' })).toBeUndefined();
});

test('a build id that is given is the one', async () => {
  const version = await workerDeployment({ ...named, workerBuildId: 'v7' }, join(folder, 'nothing'));
  expect(version).toEqual({ deploymentName: 'earshot', buildId: 'v7' });
});

test('else it tells builds with the same workflows from those with others', async () => {
  const one = await workerDeployment(named, bundle('one'));
  expect(one?.buildId).toMatch(/^\d+\.\d+\.\d+-[0-9a-f]{12}$/);
  expect(await workerDeployment(named, bundle('one'))).toEqual(one);
  expect((await workerDeployment(named, bundle('other')))?.buildId).not.toBe(one?.buildId);
});

test('where something was built does not matter', async () => {
  const builtIn = (folderName: string): string => {
    const path = join(folder, `${folderName}-built.cjs`);
    writeFileSync(path, `code();\n//# sourceMappingURL=data:application/json;base64,${btoa(folderName)}`);
    return path;
  };
  expect(await workerDeployment(named, builtIn('here'))).toEqual(await workerDeployment(named, builtIn('there')));
});

test('without a build it has to be given, and that is said', async () => {
  await expect(workerDeployment(named, join(folder, 'nothing'))).rejects.toThrow('WORKER_BUILD_ID');
});
