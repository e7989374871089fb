import { expect, test } from '@jest/globals';
import { createMediaServerLookup } from '../../activities/media-server-lookup.js';
import type { MediaServerGroup } from '../../domain/platform-wire.js';
import { PlatformError } from '../../platform/platform-error.js';
import type { PlatformFault } from '../../platform/platform-error.js';
import type { CallOptions } from '../../platform/telephony-platform.js';

const GROUP: MediaServerGroup = { id: 'a', region: 'us', state: 'available', primary: true };
const AWAY: PlatformFault = { kind: 'ambiguous', detail: 'answered 503' };

/** A lookup whose clock and platform are the test's. */
class Scene {
  readonly asked: string[] = [];
  now = 1_000;
  answer: () => Promise<readonly MediaServerGroup[]> = () => Promise.resolve([GROUP]);
  readonly lookup = createMediaServerLookup(
    {
      mediaServerGroups: (interactionId, options) => {
        this.asked.push(interactionId);
        return Promise.race([this.answer(), aborted(options)]);
      },
    },
    { limitMs: 20, now: () => this.now },
  );

  fail(fault: PlatformFault): void {
    this.answer = () => Promise.reject(new PlatformError('GET media server groups', fault));
  }

  async groups(interactionId: string, maxAgeMs?: number): Promise<readonly MediaServerGroup[] | undefined> {
    return (await this.lookup(interactionId, maxAgeMs)).groups;
  }
}

function aborted({ signal }: CallOptions = {}): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(new Error('given up')));
  });
}

test('those who ask together ask once, and for ten seconds after', async () => {
  const scene = new Scene();
  expect(await Promise.all(['i', 'i', 'j'].map((id) => scene.groups(id)))).toEqual([[GROUP], [GROUP], [GROUP]]);
  scene.now += 9_000;
  await scene.groups('i');
  expect(scene.asked).toEqual(['i', 'j']);
  expect(await scene.groups('i', 1_000)).toEqual([GROUP]);
  scene.now += 10_500;
  await scene.groups('i');
  expect(scene.asked).toEqual(['i', 'j', 'i', 'i']);
});

test('an answer that takes too long is done without', async () => {
  const scene = new Scene();
  scene.answer = () => new Promise(() => undefined);
  expect(await scene.lookup('i')).toEqual({ groups: undefined, failure: undefined });
});

test('after two failures in a row nobody is asked for half a minute, and then one at first', async () => {
  const scene = new Scene();
  scene.fail(AWAY);
  expect(await scene.groups('i')).toBeUndefined();
  expect(await scene.groups('j')).toBeUndefined();
  for (const id of ['k', 'l', 'm']) expect(await scene.groups(id)).toBeUndefined();
  expect(scene.asked).toEqual(['i', 'j']);
  scene.now += 30_001;
  await Promise.all(['n', 'o', 'p'].map((id) => scene.groups(id)));
  expect(scene.asked).toEqual(['i', 'j', 'n']);
  scene.now += 30_001;
  scene.answer = () => Promise.resolve([GROUP]);
  expect(await scene.groups('q')).toEqual([GROUP]);
  expect(await scene.groups('r')).toEqual([GROUP]);
});

test('a failure is kept for two seconds', async () => {
  const scene = new Scene();
  scene.fail(AWAY);
  await scene.groups('i');
  scene.answer = () => Promise.resolve([GROUP]);
  scene.now += 1_900;
  expect(await scene.groups('i')).toBeUndefined();
  scene.now += 200;
  expect(await scene.groups('i')).toEqual([GROUP]);
});

test('a platform that has had too much is left alone for as long as it says', async () => {
  const scene = new Scene();
  scene.fail({ kind: 'throttled', retryAfterMs: 7_000 });
  await scene.groups('i');
  expect(await scene.groups('j')).toBeUndefined();
  scene.now += 7_001;
  scene.answer = () => Promise.resolve([GROUP]);
  expect(await scene.groups('j')).toEqual([GROUP]);
  expect(scene.asked).toEqual(['i', 'j']);
});

test('calls that are over are no reason against the others', async () => {
  const scene = new Scene();
  scene.fail({ kind: 'gone', what: 'interaction', ended: true });
  for (const id of ['i', 'j', 'k', 'l']) expect((await scene.lookup(id)).groups).toBeUndefined();
  expect(scene.asked).toEqual(['i', 'j', 'k', 'l']);
});

test('answers of two thousand interactions are kept: the oldest goes first', async () => {
  const scene = new Scene();
  for (let n = 0; n < 2_000; n += 1) await scene.groups(`i${n}`);
  // Asked anew, it is the youngest.
  scene.now += 1_500;
  await scene.groups('i0', 1_000);
  await scene.groups('one too many');
  scene.asked.length = 0;
  for (const id of ['i0', 'i2', 'i1999', 'i1']) await scene.groups(id);
  expect(scene.asked).toEqual(['i1']);
});
