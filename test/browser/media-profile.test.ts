import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, BrowserContext, Page, WebSocketRoute } from 'playwright-core';
import { figure } from '../support/figures.js';
import { until } from '../support/until.js';
import { HAS_CHROMIUM, startChromium } from './chromium.js';
import { LossyRelay } from './lossy-relay.js';
import { startPageServer } from './page-server.js';
import type { PageServer } from './page-server.js';

let server: PageServer;
let browser: Browser | undefined;
let context: BrowserContext | undefined;

beforeAll(async () => {
  server = await startPageServer();
  if (!HAS_CHROMIUM) return;
  browser = await startChromium();
  context = await browser.newContext();
});

afterAll(async () => {
  await browser?.close();
  await server[Symbol.asyncDispose]();
});

/** What `work` returns, done in a page of its own. */
async function inPage<T>(work: (page: Page) => Promise<T>): Promise<T> {
  if (context === undefined) throw new Error('unreachable');
  const page = await context.newPage();
  try {
    await page.goto(server.url);
    return await work(page);
  } finally {
    await page.close();
  }
}

const withChromium = HAS_CHROMIUM ? test : test.skip;
const NEEDED = '(needs chromium: apt-get install chromium, or its path in CHROMIUM_PATH)';

test('the built module is one small file that imports nothing and has its declarations', () => {
  expect(server.built).not.toMatch(/^\s*import\b|\bimport\(|\brequire\(/m);
  expect(gzipSync(server.built).byteLength).toBeLessThan(8 * 1_024);
  expect(server.declared).toContain('applyMediaProfile(connection: RTCPeerConnection');
});

withChromium(`what is sent keeps to the bitrate, and in mid-call to the next one ${NEEDED}`, async () => {
  const { at, reports } = await inPage((page) =>
    page.evaluate(async () => {
      const { Loopback, media, profileOf } = window;
      const call = new Loopback();
      await call.call(profileOf({ bitrateBps: 32_000 }));
      const high = await call.sentBps(call.desktop);
      const lower = await media.applyMediaProfile(call.desktop, profileOf({ bitrateBps: 12_000 }));
      const low = await call.sentBps(call.desktop);
      const again = await media.applyMediaProfile(call.desktop, profileOf({ bitrateBps: 12_000 }));
      await call.close();
      return { at: { high, low }, reports: { lower, again } };
    }),
  );
  figure('sent with 32000 and 12000', `${at.high} and ${at.low} bps`);
  expect(at.low).toBeLessThan(at.high * 0.6);
  expect(at.low).toBeLessThan(16_000);
  // What the other side is to send has not been told to it.
  expect(reports.lower).toEqual({ changed: ['maxBitrate'], needsNegotiation: true, problems: [] });
  expect(reports.again).toEqual({ changed: [], needsNegotiation: true, problems: [] });
});

withChromium(
  `what is received keeps to the bitrate of our description, the sender having no limit ${NEEDED}`,
  async () => {
    const { at, limits } = await inPage((page) =>
      page.evaluate(async () => {
        const { Loopback, profileOf } = window;
        const call = new Loopback();
        await call.call(profileOf({ bitrateBps: 12_000 }));
        const low = await call.sentBps(call.platform);
        await call.call(profileOf({ bitrateBps: 32_000 }));
        const high = await call.sentBps(call.platform);
        const limits = call.platform.getSenders().map((sender) => sender.getParameters().encodings[0]?.maxBitrate);
        await call.close();
        return { at: { low, high }, limits };
      }),
    );
    figure('received with 32000 and 12000', `${at.high} and ${at.low} bps`);
    expect(limits).toEqual([undefined]);
    expect(at.low).toBeLessThan(at.high * 0.6);
    expect(at.low).toBeLessThan(16_000);
  },
);

withChromium(`the jitter buffer holds sound as long as it says, at once in mid-call too ${NEEDED}`, async () => {
  const { held, report } = await inPage((page) =>
    page.evaluate(async () => {
      const { Loopback, media, profileOf } = window;
      const call = new Loopback();
      await call.call(profileOf({ playoutDelayMs: 60 }));
      // A machine that is busy makes jitter of its own, for which more is held, whatever is wished.
      const isSixty = ({ targetMs, minimumMs }: { targetMs: number; minimumMs: number }): boolean =>
        targetMs >= 59 && targetMs <= Math.max(60, minimumMs) + 10;
      const before = await call.heldUntil('60 ms', isSixty);
      const report = await media.applyMediaProfile(call.desktop, profileOf({ playoutDelayMs: 150 }));
      const longer = await call.heldUntil('150 ms', ({ delayMs, targetMs }) => targetMs >= 149 && delayMs > 110);
      await media.applyMediaProfile(call.desktop, profileOf({ playoutDelayMs: 60 }));
      const after = await call.heldUntil('60 ms again', isSixty);
      await call.close();
      return { held: { before, longer, after }, report };
    }),
  );
  figure('held with 60, 150 and 60 ms', JSON.stringify(held));
  expect(report).toEqual({ changed: ['jitterBuffer'], needsNegotiation: false, problems: [] });
});

withChromium(`where there is no jitterBufferTarget, playoutDelayHint does the same ${NEEDED}`, async () => {
  const { longer, report, hint } = await inPage((page) =>
    page.evaluate(async () => {
      const { Loopback, profileOf } = window;
      Reflect.deleteProperty(RTCRtpReceiver.prototype, 'jitterBufferTarget');
      const call = new Loopback();
      const { problems } = await call.call(profileOf({ playoutDelayMs: 150 }));
      const longer = await call.heldUntil('150 ms', ({ delayMs, targetMs }) => targetMs >= 149 && delayMs > 110);
      const hint: unknown = Reflect.get(call.line.receiver, 'playoutDelayHint');
      await call.close();
      return { longer, report: problems, hint };
    }),
  );
  figure('held with a playoutDelayHint of 150 ms', JSON.stringify(longer));
  expect(report).toEqual([]);
  expect(hint).toBe(0.15);
});

withChromium(`lost packets are asked for again if the profile says so, and not before ${NEEDED}`, async () => {
  await using relay = new LossyRelay();
  const { without, withIt, reports } = await inPage(async (page) => {
    await page.exposeFunction('relayBetween', (ends: Parameters<LossyRelay['between']>[0]) => relay.between(ends));
    return page.evaluate(async () => {
      const { Loopback, media, profileOf } = window;
      const call = new Loopback();
      // A platform that can do it; what is done is up to the desktop.
      const able = profileOf({ nackEnabled: true });
      await call.callThroughRelay(profileOf({ nackEnabled: false }), able);
      const without = await call.lossesUntil('10 losses', ({ lost }) => lost >= 10);
      const applied = await media.applyMediaProfile(call.desktop, able);
      const { needsNegotiation } = await call.call(able, able);
      const withIt = await call.lossesUntil('10 repetitions', ({ sentAgain }) => sentAgain >= 10);
      await call.close();
      return { without, withIt, reports: [applied.needsNegotiation, needsNegotiation] };
    });
  });
  figure('losses without NACK and with it', JSON.stringify([without, withIt]));
  expect(without).toMatchObject({ askedFor: 0, sentAgain: 0 });
  expect(withIt.askedFor).toBeGreaterThan(0);
  // A packet that comes after all counts as lost no longer.
  expect(withIt.lost - without.lost).toBeLessThan(withIt.sentAgain);
  expect(reports).toEqual([true, false]);
});

withChromium(
  `the profile's codec comes first, in mid-call with the next negotiation, and the others stay ${NEEDED}`,
  async () => {
    const { heard, needed, formats } = await inPage((page) =>
      page.evaluate(async () => {
        const { Loopback, media, profileOf } = window;
        const call = new Loopback();
        const all = RTCRtpReceiver.getCapabilities('audio')?.codecs ?? [];
        const isPcmu = ({ mimeType }: RTCRtpCodec): boolean => mimeType === 'audio/PCMU';
        // As a desktop that was there before may have it; none of it is the module's doing.
        call.line.setCodecPreferences([...all.filter(isPcmu), ...all.filter((codec) => !isPcmu(codec))]);
        await call.desktop.setLocalDescription();
        await call.platform.setRemoteDescription(call.desktop.localDescription ?? { type: 'offer' });
        await call.answer();
        const heard = [await call.heardCodecUntil('audio/PCMU')];
        const { needsNegotiation, changed } = await media.applyMediaProfile(call.desktop, profileOf());
        const { description } = await call.call(profileOf());
        heard.push(await call.heardCodecUntil('audio/opus'));
        await call.close();
        const names = (description.sdp ?? '').match(/(?<=^a=rtpmap:\d+ )[^/]+/gm);
        return { heard, needed: { needsNegotiation, changed }, formats: names };
      }),
    );
    figure('heard before and after', heard.join(', '));
    expect(heard).toEqual(['audio/PCMU', 'audio/opus']);
    expect(needed.needsNegotiation).toBe(true);
    expect(needed.changed).toContain('codecPreferences');
    expect(formats?.[0]).toBe('opus');
    expect(formats).toEqual(expect.arrayContaining(['PCMU', 'PCMA', 'CN', 'telephone-event']));
  },
);

withChromium(`an answer confirms NACK where it is offered, and does not ask for it else ${NEEDED}`, async () => {
  const answers = await inPage((page) =>
    page.evaluate(async () => {
      const { Loopback, media, profileOf } = window;
      const wanted = profileOf({ nackEnabled: true, bitrateBps: 20_000 });
      const answers = [];
      for (const microphone of [true, false]) {
        for (const offered of [profileOf({ nackEnabled: true }), undefined]) {
          const call = new Loopback({ microphone });
          const { description, ...report } = await call.take(wanted, offered);
          const again = await media.applyMediaProfile(call.desktop, wanted);
          const lines = (description.sdp ?? '').match(/^a=(?:rtcp-fb:111 nack|fmtp:111).*/gm);
          answers.push({ lines, problems: report.problems, needed: again.needsNegotiation });
          await call.close();
        }
      }
      return answers;
    }),
  );
  const parameters = 'a=fmtp:111 maxaveragebitrate=20000;minptime=10;useinbandfec=1';
  const confirmed = { lines: ['a=rtcp-fb:111 nack', parameters], problems: [], needed: false };
  const notAsked = { ...confirmed, lines: [parameters] };
  expect(answers).toEqual([...[confirmed, notAsked], ...[confirmed, notAsked]]);
});

withChromium(`a profile that is wrong changes nothing ${NEEDED}`, async () => {
  const { errors, state } = await inPage((page) =>
    page.evaluate(async () => {
      const { Loopback, media, profileOf } = window;
      const call = new Loopback();
      const errors: unknown[] = [];
      const good = profileOf({ playoutDelayMs: 150, bitrateBps: 12_000 });
      for (const wrong of [
        { ...good, playoutDelayMs: Number.NaN },
        { ...good, codec: { ...good.codec, name: 'G729' } },
      ]) {
        for (const work of [media.applyMediaProfile, media.setLocalMediaDescription]) {
          await work(call.desktop, wrong).catch((error: unknown) => {
            errors.push(error instanceof media.MediaProfileError ? [error.code, error.field] : String(error));
          });
        }
      }
      const { sender, receiver } = call.line;
      const limit = sender.getParameters().encodings[0]?.maxBitrate;
      const state = [receiver.jitterBufferTarget, limit, call.desktop.localDescription];
      await call.close();
      return { errors, state };
    }),
  );
  expect(errors).toEqual([
    ['media.profile.invalid', 'playoutDelayMs'],
    ['media.profile.invalid', 'playoutDelayMs'],
    ['media.profile.invalid', 'codec.name'],
    ['media.profile.invalid', 'codec.name'],
  ]);
  expect(state).toEqual([null, undefined, null]);
});

withChromium(`what a browser cannot do is told, and the rest is done ${NEEDED}`, async () => {
  const told = await inPage((page) =>
    page.evaluate(async () => {
      const { Loopback, profileOf } = window;
      Reflect.deleteProperty(RTCRtpReceiver.prototype, 'jitterBufferTarget');
      Reflect.deleteProperty(RTCRtpReceiver.prototype, 'playoutDelayHint');
      Reflect.deleteProperty(RTCRtpTransceiver.prototype, 'setCodecPreferences');
      const call = new Loopback();
      // As a browser that takes only what it has made itself; the second time it is the browser's own.
      Reflect.set(call.desktop, 'setLocalDescription', () => {
        Reflect.deleteProperty(call.desktop, 'setLocalDescription');
        return Promise.reject(new DOMException('not mine', 'InvalidModificationError'));
      });
      const { changed, needsNegotiation, problems } = await call.call(profileOf({ bitrateBps: 12_000 }));
      const limit = call.line.sender.getParameters().encodings[0]?.maxBitrate;
      call.line.sender.setParameters = () => Promise.reject(new DOMException('not now', 'OperationError'));
      const { problems: later } = await window.media.applyMediaProfile(call.desktop, profileOf());
      await call.close();
      return { changed, needsNegotiation, limit, problems, later: later.filter(({ part }) => part === 'maxBitrate') };
    }),
  );
  expect(told).toMatchObject({ changed: ['maxBitrate'], needsNegotiation: false, limit: 12_000 });
  expect(told.problems).toEqual([
    expect.objectContaining({ part: 'codecPreferences', mid: '0', reason: 'unsupported' }),
    expect.objectContaining({ part: 'jitterBuffer', mid: '0', reason: 'unsupported' }),
    { part: 'description', mid: null, reason: 'refused', message: 'InvalidModificationError: not mine' },
  ]);
  expect(told.later).toEqual([{ part: 'maxBitrate', mid: '0', reason: 'refused', message: 'OperationError: not now' }]);
});

withChromium(
  `of profiles that come at the same time the last one stays, and video is left alone ${NEEDED}`,
  async () => {
    const { limits, targets, video } = await inPage((page) =>
      page.evaluate(async () => {
        const { Loopback, media, profileOf } = window;
        const call = new Loopback();
        const picture = call.desktop.addTransceiver('video');
        const plain = (await call.desktop.createOffer()).sdp ?? '';
        const { description } = await call.call(profileOf({ bitrateBps: 32_000, nackEnabled: true }));
        await Promise.all(
          [12_000, 20_000, 32_000, 20_000].map((bitrateBps, index) =>
            media.applyMediaProfile(call.desktop, profileOf({ bitrateBps, playoutDelayMs: 60 + index })),
          ),
        );
        const limitOf = ({ sender }: RTCRtpTransceiver) => sender.getParameters().encodings[0]?.maxBitrate;
        const linesOf = (sdp: string) => sdp.slice(sdp.indexOf('m=video')).match(/^a=(?:rtcp-fb|fmtp|rtpmap).*/gm);
        const limits = [limitOf(call.line), limitOf(picture)];
        const targets = [call.line.receiver.jitterBufferTarget, picture.receiver.jitterBufferTarget];
        await call.close();
        return { limits, targets, video: [linesOf(description.sdp ?? ''), linesOf(plain)] };
      }),
    );
    expect(limits).toEqual([20_000, undefined]);
    expect(targets).toEqual([63, null]);
    expect(video[0]).toEqual(video[1]);
    expect(video[0]?.length).toBeGreaterThan(0);
  },
);

withChromium(`an offer that came to nothing, or was replaced, is to be made again ${NEEDED}`, async () => {
  const needed = await inPage((page) =>
    page.evaluate(async () => {
      const { Loopback, media, profileOf } = window;
      const call = new Loopback();
      const [wanted, other] = [profileOf({ nackEnabled: true }), profileOf({ bitrateBps: 12_000 })];
      const needed: boolean[] = [];
      const look = async () => void needed.push((await media.applyMediaProfile(call.desktop, wanted)).needsNegotiation);
      await look();
      await call.call(other);
      await look();
      await media.setLocalMediaDescription(call.desktop, wanted);
      await look();
      await call.desktop.setLocalDescription({ type: 'rollback' });
      await look();
      // The platform declines NACK; that is no reason to ask for ever.
      await call.call(wanted);
      await look();
      const { type, sdp = '' } = await call.desktop.createOffer();
      await call.desktop.setLocalDescription({ type, sdp: media.withMediaProfile(sdp, other) });
      await call.platform.setRemoteDescription(call.desktop.localDescription ?? { type: 'offer' });
      await call.answer();
      await look();
      await call.close();
      return needed;
    }),
  );
  expect(needed).toEqual([true, true, false, true, false, true]);
});

withChromium(`the example of docs/media-client.md follows a session to its end ${NEEDED}`, async () => {
  const session = (state: string, media: object | null) => ({ sessionId: 'session~int-1~anna', state, media });
  const change = (type: string, seq: number, of: object) => JSON.stringify({ type, epoch: 'e', seq, session: of });
  const listening = {
    codec: { name: 'opus', bitrateBps: 32_000 },
    playoutDelayMs: 60,
    nackEnabled: false,
    quality: 'good',
  };
  const troubled = {
    codec: { name: 'opus', bitrateBps: 12_000 },
    playoutDelayMs: 150,
    nackEnabled: true,
    quality: 'poor',
  };
  const asked: string[] = [];
  const { steps, offers } = await inPage(async (page) => {
    let socket: WebSocketRoute | undefined;
    await page.route('**/v1/**', async (route) => {
      const { pathname } = new URL(route.request().url());
      asked.push(`${route.request().method()} ${pathname} ${route.request().headers()['authorization'] ?? ''}`);
      await route.fulfill({ json: pathname.endsWith('/tickets') ? { ticket: 'once' } : session('PENDING', null) });
    });
    await page.routeWebSocket('**/v1/events?*', (opened) => {
      socket = opened;
      asked.push(new URL(opened.url()).search);
      opened.send(JSON.stringify({ type: 'snapshot', epoch: 'e', seq: 1, sessions: [session('SILENT', listening)] }));
    });
    // The connection breaks once; what comes then is told over the next.
    await page.exposeFunction('told', async (what: string) => {
      if (what === 'listening') await socket?.close();
      await until(
        'the next connection',
        () => what !== 'listening' || asked.filter((one) => one.startsWith('?')).length > 1,
      );
      if (what === 'listening') socket?.send(change('session.media', 2, session('SILENT', troubled)));
      else socket?.send(change('session.ended', 3, session('TERMINATED', troubled)));
    });
    await page.addScriptTag({
      type: 'module',
      content: "import { followMedia } from '/browser/example.js'; window.followMedia = followMedia;",
    });
    await page.waitForFunction(() => Reflect.has(window, 'followMedia'));
    return page.evaluate(async () => {
      const { Loopback, followMedia } = window;
      const call = new Loopback();
      const steps: unknown[] = [];
      const offers: string[] = [];
      await followMedia({
        api: location.origin,
        token: 'hers',
        sessionId: 'session~int-1~anna',
        connection: call.desktop,
        exchange: async (offer) => {
          const { sender, receiver } = call.line;
          steps.push([receiver.jitterBufferTarget, sender.getParameters().encodings[0]?.maxBitrate]);
          offers.push(offer.sdp ?? '');
          await call.platform.setRemoteDescription(offer);
          await call.platform.setLocalDescription();
          await window.told(offers.length === 1 ? 'listening' : 'troubled');
          return call.platform.localDescription ?? { type: 'answer' };
        },
      });
      await call.close();
      return { steps, offers };
    });
  });
  expect(steps).toEqual([
    [60, 32_000],
    [150, 12_000],
  ]);
  expect(offers[0]).not.toContain('a=rtcp-fb:111 nack');
  expect(offers[1]).toContain('a=rtcp-fb:111 nack');
  expect(asked).toEqual([
    'GET /v1/sessions/session~int-1~anna Bearer hers',
    'POST /v1/events/tickets Bearer hers',
    '?ticket=once&sessionId=session%7Eint-1%7Eanna',
    'POST /v1/events/tickets Bearer hers',
    '?ticket=once&sessionId=session%7Eint-1%7Eanna&after=e%3A1',
  ]);
});

withChromium(
  `a section that is over concerns nobody, and a description of somebody else’s may do ${NEEDED}`,
  async () => {
    const { stopped, needed, provisional } = await inPage((page) =>
      page.evaluate(async () => {
        const { Loopback, media, profileOf } = window;
        const wanted = profileOf({ nackEnabled: true, bitrateBps: 20_000 });
        const needed: boolean[] = [];
        const look = async (desktop: RTCPeerConnection) =>
          void needed.push((await media.applyMediaProfile(desktop, wanted)).needsNegotiation);

        // Two lines, of which one is over; described by the desktop itself.
        const call = new Loopback();
        const extra = call.desktop.addTransceiver('audio');
        await call.call(wanted, wanted);
        extra.stop();
        const { problems: stopped } = await media.applyMediaProfile(call.desktop, wanted);
        const { type, sdp = '' } = await call.desktop.createOffer();
        await call.desktop.setLocalDescription({ type, sdp: media.withMediaProfile(sdp, wanted) });
        await call.platform.setRemoteDescription(call.desktop.localDescription ?? { type: 'offer' });
        await media.setLocalMediaDescription(call.platform, wanted);
        await call.desktop.setRemoteDescription(call.platform.localDescription ?? { type: 'answer' });
        await look(call.desktop);
        await call.close();

        // An answer of the desktop’s own to an offer without NACK, and to one without Opus.
        for (const isOpus of [true, false]) {
          const taken = new Loopback();
          taken.platform.addTransceiver('audio');
          let { sdp: offer = '' } = await taken.platform.createOffer();
          if (!isOpus)
            offer = offer
              .replace(/^(m=audio \S+ \S+) .*/m, '$1 0')
              .replaceAll(/^a=(?:rtpmap|fmtp|rtcp-fb):(?!0 ).*\r\n/gm, '');
          await taken.desktop.setRemoteDescription({ type: 'offer', sdp: offer });
          const own = await taken.desktop.createAnswer();
          const answer = media.withMediaProfile(own.sdp ?? '', wanted, { answerTo: offer });
          await taken.desktop.setLocalDescription({ type: 'answer', sdp: answer });
          await look(taken.desktop);
          await taken.close();
        }

        const early = new Loopback();
        early.platform.addTransceiver('audio');
        await early.platform.setLocalDescription();
        await early.desktop.setRemoteDescription(early.platform.localDescription ?? { type: 'offer' });
        await early.desktop.setLocalDescription({
          type: 'pranswer',
          sdp: (await early.desktop.createAnswer()).sdp ?? '',
        });
        const { description } = await media.setLocalMediaDescription(early.desktop, wanted);
        await early.close();
        return { stopped, needed, provisional: description.type };
      }),
    );
    expect(stopped).toEqual([]);
    expect(needed).toEqual([false, false, false]);
    expect(provisional).toBe('answer');
  },
);
