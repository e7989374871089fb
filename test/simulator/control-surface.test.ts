import { expect, test } from '@jest/globals';
import { controlSchemas } from '../../simulator/controls.js';
import { Stage } from './platform-harness.js';

test('without being asked for, nothing of the control surface is there', async () => {
  await using stage = await Stage.open();
  expect((await stage.client.get('/_control/ledger')).status).toBe(404);
  expect((await stage.client.post('/_control/add-interaction', {})).status).toBe(404);
  expect((await stage.client.get('/api/v2/interactions')).body.entities).toEqual([]);
});

test('faults and interactions are set over HTTP, without a token, and the ledger is read back', async () => {
  await using stage = await Stage.open({ controlSurface: true });
  const token = stage.client.token;
  stage.client.token = '';
  const added = await stage.client.post('/_control/add-interaction', { id: 'int-mine' });
  expect(added.body).toEqual({ interactionId: 'int-mine' });
  const fault = { match: { action: 'start' }, effect: { kind: 'lost-answer' } };
  expect((await stage.client.post('/_control/add-fault', fault)).body).toEqual({ id: 'fault-1' });
  stage.client.token = token;
  await expect(stage.client.command('start', 'int-mine')).rejects.toThrow();
  const faults = await stage.client.get('/_control/faults');
  expect(faults.body['faults']).toMatchObject([{ id: 'fault-1', hits: 1 }]);
  const ledger = await stage.client.get('/_control/ledger?interactionId=int-mine');
  expect(ledger.body).toMatchObject({
    requests: [{ action: 'start', status: 'lost', executed: true }],
    legs: [{ interactionId: 'int-mine', status: 'pending' }],
    violations: [],
    nextSince: 2,
  });
  await stage.client.state('int-mine');
  const rest = await stage.client.get('/_control/ledger?since=2&limit=1');
  expect(rest.body['requests']).toMatchObject([{ action: 'state' }]);
});

test('every control has its address', async () => {
  await using stage = await Stage.open({ controlSurface: true });
  const names = Object.keys(controlSchemas).map((name) =>
    name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
  );
  for (const name of [...names, 'clear-faults', 'disconnect-streams', 'publish-media-metrics', 'reset']) {
    expect([name, (await stage.client.post(`/_control/${name}`, {})).status]).not.toEqual([name, 404]);
    expect([name, (await stage.client.get(`/_control/${name}`)).status]).toEqual([name, 405]);
  }
});

test.each([
  ['set-rate-limit', { limit: 0, windowSeconds: 1 }, 400, 'invalid.request'],
  ['add-fault', { effect: { kind: 'earthquake' } }, 400, 'invalid.request'],
  ['add-fault', { effect: { kind: 'lost-answer' }, oftn: 1 }, 400, 'invalid.request'],
  ['set-activation-delay', { min: 2, max: 1 }, 400, 'invalid.request'],
  ['sever', {}, 400, 'invalid.request'],
  ['end-interaction', { interactionId: 'int-unknown' }, 409, 'control.refused'],
  ['release-outside-leg', { monitorSessionId: 'ms-unknown' }, 409, 'control.refused'],
  ['fail-over', { interactionId: 'int-1', toGroupId: 'nowhere' }, 409, 'control.refused'],
  ['no-such-control', {}, 404, 'not.found'],
])('%s with %j is refused', async (name, body, status, code) => {
  await using stage = await Stage.open({ controlSurface: true });
  stage.call('int-1');
  const answer = await stage.client.post(`/_control/${name}`, body);
  expect([answer.status, answer.body.code]).toEqual([status, code]);
});

test('a form or text, as any web page could post it, changes nothing', async () => {
  await using stage = await Stage.open({ controlSurface: true });
  const answer = await stage.client.call('POST', '/_control/reset', { body: new URLSearchParams({ a: 'b' }) });
  expect(answer.status).toBe(415);
});

test('reset leaves nothing behind but valid tokens and a new population', async () => {
  await using stage = await Stage.open({ population: { connected: 2, meanDurationSeconds: 60 } });
  const { controls, ledger } = stage.simulator;
  const id = stage.call();
  await stage.leg(id);
  controls.addFault({ effect: { kind: 'status', status: 500 }, probability: 1 });
  controls.setRateLimit({ limit: 1, windowSeconds: 60 });
  controls.setAccess({ clientId: 'earshot', denial: 'missing.license' });
  controls.setMediaServerGroup({ id: 'ms-group-us-east-1', state: 'down' });
  controls.setTokenLifetime({ seconds: 5 });
  controls.reset();
  expect([ledger.requests(), ledger.legs(), ledger.violations()]).toEqual([[], [], []]);
  const { entities = [] } = (await stage.client.get('/api/v2/interactions')).body;
  expect(entities).toHaveLength(2);
  expect((await stage.client.command('start', id)).status).toBe(404);
  expect((await stage.client.command('start', entities[0]?.id ?? '')).status).toBe(202);
  expect((await stage.client.signIn()).body.expires_in).toBe(3600);
  stage.clock.advance(1_000_000);
  expect(ledger.violations()).toEqual([]);
});
