import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MediaProfileError, withMediaProfile } from '../../browser/media-profile.js';
import type { MediaProfile } from '../../browser/media-profile.js';
import { LAST_STEP, mediaAffinity, newSessionMedia, profileOf } from '../../domain/media.js';

const PROFILE: MediaProfile = { codec: { name: 'opus', bitrateBps: 20_000 }, playoutDelayMs: 60, nackEnabled: true };
const WITHOUT_NACK: MediaProfile = { ...PROFILE, nackEnabled: false };

const lines = (...all: readonly string[]): string => all.map((line) => `${line}\r\n`).join('');

const SESSION = ['v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0'];
const AUDIO = [
  ...['m=audio 9 UDP/TLS/RTP/SAVPF 111 63 0 110', 'c=IN IP4 0.0.0.0', 'a=mid:0', 'a=sendrecv'],
  ...['a=rtpmap:111 opus/48000/2', 'a=rtcp-fb:111 transport-cc', 'a=fmtp:111 minptime=10;useinbandfec=1'],
  ...['a=rtpmap:63 red/48000/2', 'a=fmtp:63 111/111', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:110 telephone-event/48000'],
];
const VIDEO = [
  ...[
    'm=video 9 UDP/TLS/RTP/SAVPF 96',
    'a=mid:1',
    'a=rtpmap:96 VP8/90000',
    'a=rtcp-fb:96 nack',
    'a=rtcp-fb:96 nack pli',
  ],
];

test('it says of Opus in audio what the profile says, and nothing of anything else', () => {
  expect(withMediaProfile(lines(...SESSION, ...AUDIO, ...VIDEO), PROFILE)).toBe(
    lines(
      ...SESSION,
      ...AUDIO.slice(0, 6),
      'a=rtcp-fb:111 nack',
      'a=fmtp:111 minptime=10;useinbandfec=1;maxaveragebitrate=20000',
      ...AUDIO.slice(7),
      ...VIDEO,
    ),
  );
});

test('NACK is taken away where the profile has none, and only Generic NACK', () => {
  const given = [...AUDIO.slice(0, 6), 'a=rtcp-fb:111 nack', 'a=rtcp-fb:111 nack pli', ...AUDIO.slice(7)];
  const answer = withMediaProfile(lines(...SESSION, ...given, ...VIDEO), WITHOUT_NACK);
  expect(answer).not.toContain('a=rtcp-fb:111 nack\r\n');
  expect(answer).toContain('a=rtcp-fb:111 nack pli\r\n');
  expect(answer).toContain('a=rtcp-fb:96 nack\r\n');
});

test('NACK for all formats is NACK for Opus too, and without it the others keep theirs', () => {
  const given = ['m=audio 9 RTP/SAVPF 111 0', 'a=rtcp-fb:* nack', 'a=rtpmap:111 opus/48000/2'];
  const parameters = 'a=fmtp:111 maxaveragebitrate=20000;useinbandfec=1';
  expect(withMediaProfile(lines(...given), PROFILE)).toBe(lines(...given, parameters));
  expect(withMediaProfile(lines(...given), WITHOUT_NACK)).toBe(
    lines('m=audio 9 RTP/SAVPF 111 0', 'a=rtcp-fb:0 nack', 'a=rtpmap:111 opus/48000/2', parameters),
  );
});

test('an answer has NACK only where the offer has it, section by section', () => {
  const asking = [...AUDIO.slice(0, 6), 'a=rtcp-fb:111 nack', ...AUDIO.slice(6)];
  const offer = lines(...SESSION, ...AUDIO, ...asking);
  const answer = withMediaProfile(lines(...SESSION, ...AUDIO, ...AUDIO), PROFILE, { answerTo: offer });
  const [, first, second] = answer.split('m=audio');
  expect(first).not.toContain('nack');
  expect(second).toContain('a=rtcp-fb:111 nack\r\n');
});

test.each([
  ['minptime=10; maxaveragebitrate=6000; useinbandfec=0', 'minptime=10; maxaveragebitrate=20000; useinbandfec=1'],
  ['MaxAverageBitrate=6000;stereo=1', 'maxaveragebitrate=20000;stereo=1;useinbandfec=1'],
  ['useinbandfec=1;maxaveragebitrate=1;maxaveragebitrate=2;', 'useinbandfec=1;maxaveragebitrate=20000'],
])('of the parameters %s it makes %s', (given, wanted) => {
  const section = ['m=audio 9 RTP/SAVPF 96', 'a=rtpmap:96 OPUS/48000/2'];
  expect(withMediaProfile(lines(...section, `a=fmtp:96 ${given}`), WITHOUT_NACK)).toBe(
    lines(...section, `a=fmtp:96 ${wanted}`),
  );
});

test('a description that ends without a line end ends so after it', () => {
  const given = 'm=audio 9 RTP/SAVPF 96\na=rtpmap:96 opus/48000/2';
  expect(withMediaProfile(given, WITHOUT_NACK)).toBe(`${given}\r\na=fmtp:96 maxaveragebitrate=20000;useinbandfec=1`);
});

test.each([
  [{ ...PROFILE, playoutDelayMs: Number.NaN }, 'Expected playoutDelayMs to be a number from 0 to 4000, got NaN'],
  [{ ...PROFILE, playoutDelayMs: -1 }, 'Expected playoutDelayMs to be a number from 0 to 4000, got -1'],
  [{ ...PROFILE, playoutDelayMs: 4_001 }, 'Expected playoutDelayMs to be a number from 0 to 4000, got 4001'],
  [{ ...PROFILE, codec: { name: 'opus', bitrateBps: 5_999 } }, 'from 6000 to 510000, got 5999'],
  [{ ...PROFILE, codec: { name: 'opus', bitrateBps: 12_000.5 } }, 'from 6000 to 510000, got 12000.5'],
  [{ ...PROFILE, codec: { name: 'G729', bitrateBps: 8_000 } }, 'Expected codec.name to be opus, got "G729"'],
  // As they may come from a program without types.
  [JSON.parse('null'), 'Expected a media profile, got null: a session has none before its leg is made'],
  [JSON.parse('{"playoutDelayMs":60,"nackEnabled":true}'), 'Expected codec.name to be opus, got undefined'],
  [
    JSON.parse(JSON.stringify({ ...PROFILE, nackEnabled: 'yes' })),
    'Expected nackEnabled to be true or false, got "yes"',
  ],
])('%j is refused', (profile: MediaProfile, message) => {
  const attempt = (): string => withMediaProfile(lines(...AUDIO), profile);
  expect(attempt).toThrow(MediaProfileError);
  expect(attempt).toThrow(message);
});

test('every media that a session may show can be applied as it is', () => {
  for (const affinity of mediaAffinity.options) {
    const media = newSessionMedia({ mediaServerGroupId: null, affinity, fallback: null });
    for (let step = 0; step <= LAST_STEP; step += 1) {
      const shown: MediaProfile = { ...media, ...profileOf(affinity, step) };
      expect(withMediaProfile(lines(...AUDIO), shown)).toContain(`maxaveragebitrate=${shown.codec.bitrateBps}`);
    }
  }
});

const profile: fc.Arbitrary<MediaProfile> = fc.record({
  codec: fc.record({ name: fc.constant('opus'), bitrateBps: fc.integer({ min: 6_000, max: 510_000 }) }),
  playoutDelayMs: fc.double({ min: 0, max: 4_000, noNaN: true }),
  nackEnabled: fc.boolean(),
});

const end = fc.constantFrom('\r\n', '\r\n', '\n');
const noise = fc.constantFrom(
  'a=sendrecv',
  'a=x-unknown:1 2',
  'b=AS:64',
  'a=candidate:1 1 udp 1 127.0.0.1 9 typ host',
  'a=',
);
const payloadType = fc.integer({ min: 96, max: 127 });
const format = fc
  .tuple(payloadType, fc.constantFrom('opus/48000/2', 'Opus/48000/2', 'red/48000/2', 'PCMU/8000', 'opusx/48000'))
  .chain(([type, name]) =>
    fc
      .subarray([
        `a=rtcp-fb:${type} nack`,
        `a=rtcp-fb:${type} nack pli`,
        `a=rtcp-fb:${type} transport-cc`,
        `a=fmtp:${type} minptime=10;maxaveragebitrate=9000`,
        'a=ptime:20',
      ])
      .map((more) => [`a=rtpmap:${type} ${name}`, ...more]),
  );
const section = fc
  .tuple(
    fc.constantFrom('audio', 'video'),
    fc.uniqueArray(format, { selector: ([first]) => first?.slice(0, 12) }),
    fc.array(noise),
  )
  .map(([kind, formats, rest]) => [`m=${kind} 9 UDP/TLS/RTP/SAVPF 96 97`, ...rest, ...formats.flat()]);
/** Lines with their ends. */
const description = fc
  .array(section)
  .map((sections) => [...SESSION, ...sections.flat()])
  .chain((all) => fc.tuple(...all.map((line) => end.map((lineEnd) => `${line}${lineEnd}`))));

/** The audio sections, each with the payload types that are Opus there. */
function opusIn(sdp: string): { readonly text: string; readonly types: readonly string[] }[] {
  return sdp
    .split(/^(?=m=)/m)
    .filter((text) => text.startsWith('m=audio'))
    .map((text) => ({ text, types: text.match(/(?<=^a=rtpmap:)\d+(?= opus\/)/gim) ?? [] }));
}

test('every audio section that has Opus says what the profile says, once', () => {
  fc.assert(
    fc.property(description, profile, (given, wanted) => {
      for (const { text, types } of opusIn(withMediaProfile(given.join(''), wanted))) {
        for (const type of types) {
          expect(text.match(new RegExp(`^a=rtcp-fb:${type} nack$`, 'gm'))?.length ?? 0).toBe(
            wanted.nackEnabled ? 1 : 0,
          );
          const parameters = text.match(new RegExp(`(?<=^a=fmtp:${type} ).*`, 'gm'))?.map((one) => one.split(';'));
          expect(parameters).toEqual([
            expect.arrayContaining([`maxaveragebitrate=${wanted.codec.bitrateBps}`, 'useinbandfec=1']),
          ]);
        }
      }
    }),
  );
});

test('all other lines stay to the letter, in their order', () => {
  fc.assert(
    fc.property(description, profile, (given, wanted) => {
      const others = (sdp: string): string[] => {
        let types: readonly string[] = [];
        return (sdp.match(/.*\r?\n/g) ?? []).filter((line, index, all) => {
          if (line.startsWith('m=')) types = opusIn([line, ...rest(all, index)].join(''))[0]?.types ?? [];
          return !types.some(
            (type) => line.startsWith(`a=fmtp:${type} `) || /^a=rtcp-fb:(\d+) nack\r?\n/.exec(line)?.[1] === type,
          );
        });
      };
      expect(others(withMediaProfile(given.join(''), wanted))).toEqual(others(given.join('')));
    }),
  );
});

/** What follows a media line, up to the next. */
function rest(all: readonly string[], index: number): string[] {
  const next = all.findIndex((line, at) => at > index && line.startsWith('m='));
  return all.slice(index + 1, next < 0 ? undefined : next);
}

test('the same profile again changes nothing, and the last of several is what counts', () => {
  fc.assert(
    fc.property(description, profile, profile, (given, earlier, later) => {
      const once = withMediaProfile(given.join(''), later);
      expect(withMediaProfile(once, later)).toBe(once);
      const both = withMediaProfile(withMediaProfile(given.join(''), earlier), later);
      expect(withMediaProfile(both, later)).toBe(both);
      const sorted = (sdp: string): string[] => (sdp.match(/.*\r?\n/g) ?? []).map((line) => line.trim()).toSorted();
      expect(sorted(both)).toEqual(sorted(once));
    }),
  );
});

test('whatever text it is given, it neither fails nor changes what has no Opus', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('m=audio 9 X 1', 'a=rtpmap:1', 'a=fmtp:1', ' ', '\r', '\n', 'é') }),
      profile,
      (text, wanted) => {
        expect(withMediaProfile(text, wanted)).toBe(text);
      },
    ),
  );
});
