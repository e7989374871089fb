import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { startSimulator } from '../../simulator/simulator.js';
import { PlatformClient, Stage } from './platform-harness.js';

/** A folder that goes with the test. */
class Folder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async open(): Promise<Folder> {
    return new Folder(await mkdtemp(join(tmpdir(), 'simulator-')));
  }

  file(name: string): string {
    return join(this.path, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

test('interactions, legs, modes, tokens and groups survive a restart', async () => {
  await using folder = await Folder.open();
  const stateFile = folder.file('nested/state.json');
  const before = await Stage.open({ stateFile });
  const id = before.call();
  const monitorSessionId = await before.leg(id);
  await before.client.command('barge', id, { monitorSessionId });
  const ended = before.call();
  before.simulator.controls.endInteraction({ interactionId: ended });
  before.simulator.controls.setMediaServerGroup({ id: 'ms-group-ap-south-1', state: 'draining' });
  const state = (await before.client.state(id)).body;
  const token = before.client.token;
  await before.simulator.close();

  await using after = await Stage.open({ stateFile });
  after.client.token = token;
  expect((await after.client.state(id)).body).toEqual(state);
  expect((await after.client.state(ended)).status).toBe(410);
  expect(after.simulator.ledger.legs({ live: true })).toMatchObject([
    { monitorSessionId, modes: [{}, { mode: 'barge' }] },
  ]);
  const groups = (await after.client.get('/api/v2/telephony/providers/media-server-groups')).body.entities ?? [];
  expect(groups.find((group) => group.id === 'ms-group-ap-south-1')).toMatchObject({ state: 'draining' });
  expect((await after.client.command('stop', id, { monitorSessionId })).status).toBe(200);
});

test('a pending leg goes on towards active after a restart', async () => {
  await using folder = await Folder.open();
  const stateFile = folder.file('state.json');
  const before = await Stage.open({ stateFile });
  const id = before.call();
  await before.client.command('start', id);
  await before.simulator.close();
  await using after = await Stage.open({ stateFile });
  expect((await after.client.state(id)).body.monitors).toMatchObject([{ status: 'pending' }]);
  after.clock.advance(500);
  expect((await after.client.state(id)).body.monitors).toMatchObject([{ status: 'active' }]);
});

test('what was answered is on disk already: a crash right after the answer loses no leg and no token', async () => {
  await using folder = await Folder.open();
  const stateFile = folder.file('state.json');
  await using crashed = await Stage.open({ stateFile });
  const id = crashed.call();
  const { body } = await crashed.client.command('start', id);
  const { monitorSessionId } = body;
  await copyFile(stateFile, folder.file('at-start.json'));
  crashed.clock.advance(500);
  await crashed.client.command('stop', id, { monitorSessionId });
  await copyFile(stateFile, folder.file('at-stop.json'));

  await using atStart = await Stage.open({ stateFile: folder.file('at-start.json') });
  atStart.client.token = crashed.client.token;
  expect((await atStart.client.state(id)).body.monitors).toMatchObject([{ monitorSessionId, status: 'pending' }]);
  await using atStop = await Stage.open({ stateFile: folder.file('at-stop.json') });
  expect((await atStop.client.state(id)).body.monitors).toMatchObject([{ monitorSessionId, status: 'terminated' }]);
});

test('ids made after a restart differ from those made before', async () => {
  await using folder = await Folder.open();
  const stateFile = folder.file('state.json');
  const before = await Stage.open({ stateFile });
  const [id, leg] = [before.call(), await before.leg(before.call())];
  await before.simulator.close();
  await using after = await Stage.open({ stateFile });
  expect(after.call()).not.toBe(id);
  expect(await after.leg(id)).not.toBe(leg);
});

test('calls that were to end while it was down end at once, and the population is filled up again', async () => {
  await using folder = await Folder.open();
  const options = { stateFile: folder.file('state.json'), population: { connected: 3, meanDurationSeconds: 60 } };
  const before = await Stage.open(options);
  const list = async (stage: Stage): Promise<string[]> =>
    ((await stage.client.get('/api/v2/interactions?status=connected')).body.entities ?? []).map(({ id }) => id);
  const old = await list(before);
  await before.simulator.close();
  const text = await readFile(options.stateFile, 'utf8');
  await writeFile(options.stateFile, text.replace(/"plannedEndAtMs":\d+/g, '"plannedEndAtMs":1'));
  await using after = await Stage.open(options);
  after.clock.advance(1);
  const renewed = await list(after);
  expect(renewed).toHaveLength(3);
  expect(renewed.filter((id) => old.includes(id))).toEqual([]);
});

test('the state file holds no usable token, and nothing else is left beside it', async () => {
  await using folder = await Folder.open();
  const stage = await Stage.open({ stateFile: folder.file('state.json') });
  await stage.simulator.close();
  expect(await readFile(folder.file('state.json'), 'utf8')).not.toContain(stage.client.token);
  expect(await readdir(folder.path)).toEqual(['state.json']);
});

test.each(['{"version":', '{"version":2}'])(
  'a state file with %s stops the start and says what to do',
  async (text) => {
    await using folder = await Folder.open();
    const stateFile = folder.file('state.json');
    await writeFile(stateFile, text);
    await expect(startSimulator({ port: 0, stateFile })).rejects.toMatchObject({
      code: 'simulator.state.unreadable',
      message: expect.stringContaining('delete it to start afresh'),
    });
    expect(await readFile(stateFile, 'utf8')).toBe(text);
  },
);

test('a simulator that finds its port taken leaves the state file of the first one alone', async () => {
  await using folder = await Folder.open();
  const stateFile = folder.file('state.json');
  await using first = await Stage.open({ stateFile });
  const before = await readFile(stateFile, 'utf8');
  const port = Number(new URL(first.simulator.baseUrl).port);
  await expect(startSimulator({ port, stateFile })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  expect(await readFile(stateFile, 'utf8')).toBe(before);
});

test('a token of a client that is configured no more is worth nothing after a restart', async () => {
  await using folder = await Folder.open();
  const stateFile = folder.file('state.json');
  const before = await Stage.open({ stateFile });
  await before.simulator.close();
  await using after = await startSimulator({ port: 0, stateFile, population: null, clientId: 'renamed' });
  const client = new PlatformClient(after.baseUrl);
  client.token = before.client.token;
  expect((await client.get('/api/v2/interactions')).status).toBe(401);
});
