import { expect, it } from '@jest/globals';
import { createServer } from 'node:net';
import { checkPorts } from '../../scripts/ports.js';

const host = '127.0.0.1';

it('names every port that is taken and the setting that changes it', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  try {
    const taken = (setting: string): string =>
      `${setting} ${port} is already in use on 127.0.0.1: stop the other program or set ${setting}=…`;
    const checked = await checkPorts([
      { setting: 'PORT', host, port },
      { setting: 'TEMPORAL_PORT', host, port: 0 },
      { setting: 'SIMULATOR_PORT', host, port },
    ]);
    expect(checked).toEqual({ ok: false, faults: [taken('PORT'), taken('SIMULATOR_PORT')] });
  } finally {
    server.close();
  }
});

it('finds a free port for each 0, all different, and leaves them free', async () => {
  const wishes = ['A', 'B', 'C', 'D'].map((setting) => ({ setting, host, port: 0 }));
  const checked = await checkPorts(wishes);
  const ports = checked.ok ? [...checked.ports.values()] : [];
  expect(new Set(ports).size).toBe(4);
  const again = await checkPorts(ports.map((port) => ({ setting: String(port), host, port })));
  expect(again.ok).toBe(true);
});

it('says when the host is not an address of this machine', async () => {
  const checked = await checkPorts([{ setting: 'PORT', hostSetting: 'HOST', host: '192.0.2.1', port: 0 }]);
  expect(checked).toEqual({
    ok: false,
    faults: ['HOST 192.0.2.1 is not an address of this machine: set HOST to one that is'],
  });
});
