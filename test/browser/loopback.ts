/** Runs in the page: a call between a telephony platform and a supervisor's desktop, both in this page. */
import * as media from '../../browser/media-profile.js';
import type { LocalMedia, MediaProfile } from '../../browser/media-profile.js';

declare global {
  interface Window {
    readonly media: typeof media;
    readonly Loopback: typeof Loopback;
    readonly profileOf: typeof profileOf;
    /** Of the page's `example.js`, which has no types. */
    readonly followMedia: (options: {
      readonly api: string;
      readonly token: string;
      readonly sessionId: string;
      readonly connection: RTCPeerConnection;
      readonly exchange: (offer: RTCSessionDescriptionInit) => Promise<RTCSessionDescriptionInit>;
    }) => Promise<void>;
    readonly told: (what: string) => Promise<void>;
    /** Puts the test's relay between these two; resolves with the ports that each of them has to send to instead. */
    readonly relayBetween: (ends: { readonly [side in Side]: Endpoint }) => Promise<{
      readonly [side in Side]: number;
    }>;
  }
}

export type Side = 'platform' | 'desktop';

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

interface Held {
  /** How long what was played had been held. */
  readonly delayMs: number;
  /** How long it was meant to be. */
  readonly targetMs: number;
  /** How long the network alone asks for, whatever is wished (W3C webrtc-stats, `jitterBufferMinimumDelay`). */
  readonly minimumMs: number;
}

interface Losses {
  readonly lost: number;
  readonly askedFor: number;
  readonly sentAgain: number;
}

/** Well above what a busy machine takes; never waited for on a machine that works. */
const LIMIT_MS = 30_000;

/** The first value that is as wanted. */
async function until<T>(what: string, read: () => Promise<T>, isWanted: (value: T) => boolean): Promise<T> {
  const givenUpAt = performance.now() + LIMIT_MS;
  for (;;) {
    const value = await read();
    if (isWanted(value)) return value;
    if (performance.now() > givenUpAt) throw new Error(`${what}: not within ${LIMIT_MS} ms, ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function profileOf(changes: Partial<MediaProfile> & { readonly bitrateBps?: number } = {}): MediaProfile {
  const { bitrateBps = 32_000, ...rest } = changes;
  return { codec: { name: 'opus', bitrateBps }, playoutDelayMs: 60, nackEnabled: false, ...rest };
}

class Loopback {
  readonly platform = new RTCPeerConnection();
  readonly desktop = new RTCPeerConnection();
  readonly #audio = new AudioContext();
  readonly #agreed: Promise<void>;
  #agree: () => void = () => undefined;

  constructor({ microphone = true } = {}) {
    if (microphone) this.desktop.addTrack(this.#sound());
    // Else nothing takes what comes out of the jitter buffer.
    const speaker = document.createElement('audio');
    speaker.autoplay = true;
    document.body.append(speaker);
    this.desktop.addEventListener('track', ({ track }) => (speaker.srcObject = new MediaStream([track])));
    this.#agreed = new Promise((resolve) => (this.#agree = resolve));
    this.#tell(this.platform, this.desktop);
    this.#tell(this.desktop, this.platform);
  }

  /** The desktop's microphone, and what it hears. */
  get line(): RTCRtpTransceiver {
    const [line] = this.desktop.getTransceivers();
    if (line === undefined) throw new Error('The desktop has no line');
    return line;
  }

  /** The desktop calls, or calls again; `platformProfile` is what the other side applies, if anything. */
  async call(profile: MediaProfile, platformProfile?: MediaProfile): Promise<LocalMedia> {
    const offer = await media.setLocalMediaDescription(this.desktop, profile);
    await this.platform.setRemoteDescription(withoutCandidates(offer.description));
    await this.answer(platformProfile);
    return offer;
  }

  /** The platform answers what the desktop has offered, and speaks. */
  async answer(profile?: MediaProfile): Promise<void> {
    for (const transceiver of this.platform.getTransceivers()) {
      const { sender, receiver } = transceiver;
      if (receiver.track.kind !== 'audio') continue;
      transceiver.direction = 'sendrecv';
      if (sender.track === null) await sender.replaceTrack(this.#sound());
    }
    await this.desktop.setRemoteDescription(withoutCandidates(await describe(this.platform, profile)));
    this.#agree();
  }

  /** As `call`, the first time; all that the two send each other goes through the test's relay. */
  async callThroughRelay(profile: MediaProfile, platformProfile?: MediaProfile): Promise<void> {
    this.#agree = () => undefined;
    const candidates = Promise.all([candidateOf(this.platform), candidateOf(this.desktop)]);
    await this.call(profile, platformProfile);
    const [platform, desktop] = await candidates;
    const ports = await window.relayBetween({ platform: endpointOf(platform), desktop: endpointOf(desktop) });
    await this.platform.addIceCandidate(through(ports.platform, desktop));
    await this.desktop.addIceCandidate(through(ports.desktop, platform));
  }

  /** The platform calls. */
  async take(profile: MediaProfile, platformProfile?: MediaProfile): Promise<LocalMedia> {
    this.platform.addTrack(this.#sound());
    await this.desktop.setRemoteDescription(await describe(this.platform, platformProfile));
    const answer = await media.setLocalMediaDescription(this.desktop, profile);
    await this.platform.setRemoteDescription(answer.description);
    this.#agree();
    return answer;
  }

  /** Bits per second, by 30 packets of 20 ms: a machine that is late sends fewer of them and not smaller ones. */
  async sentBps(connection: RTCPeerConnection): Promise<number> {
    const read = async (): Promise<{ packets: number; bytes: number }> => {
      const stats = await statsOf(connection, 'outbound-rtp');
      return { packets: stats.number('packetsSent'), bytes: stats.number('bytesSent') };
    };
    const { packets } = await read();
    const start = await until('10 packets', read, (now) => now.packets >= packets + 10);
    const end = await until('30 packets', read, (now) => now.packets >= start.packets + 30);
    return ((end.bytes - start.bytes) / (end.packets - start.packets)) * 8 * 50;
  }

  /** The first quarter of a second of sound for which the desktop's jitter buffer is as wanted. */
  heldUntil(what: string, isWanted: (held: Held) => boolean): Promise<Held> {
    return until(what, () => this.#held(), isWanted);
  }

  /** What the desktop lost, and asked for again. */
  lossesUntil(what: string, isWanted: (losses: Losses) => boolean): Promise<Losses> {
    const read = async (): Promise<Losses> => {
      const heard = await statsOf(this.desktop, 'inbound-rtp');
      const sent = await statsOf(this.platform, 'outbound-rtp');
      return {
        lost: heard.number('packetsLost'),
        askedFor: heard.number('nackCount'),
        sentAgain: sent.number('retransmittedPacketsSent'),
      };
    };
    return until(what, read, isWanted);
  }

  /** The codec of what the desktop hears, by its name in the statistics. */
  heardCodecUntil(wanted: string): Promise<string> {
    const read = async (): Promise<string> => {
      const codecId = (await statsOf(this.desktop, 'inbound-rtp')).text('codecId');
      return (await statsOf(this.desktop, 'codec', codecId)).text('mimeType');
    };
    return until(`${wanted} is heard`, read, (codec) => codec === wanted);
  }

  async close(): Promise<void> {
    this.platform.close();
    this.desktop.close();
    await this.#audio.close();
  }

  async #held(): Promise<Held> {
    const read = async (): Promise<{ samples: number; delay: number; target: number; minimum: number }> => {
      const stats = await statsOf(this.desktop, 'inbound-rtp');
      return {
        samples: stats.number('jitterBufferEmittedCount'),
        delay: stats.number('jitterBufferDelay'),
        target: stats.number('jitterBufferTargetDelay'),
        minimum: stats.number('jitterBufferMinimumDelay'),
      };
    };
    const start = await read();
    const end = await until('12,000 samples', read, ({ samples }) => samples >= start.samples + 12_000);
    // These are sums of seconds over all samples.
    const meanMs = (sum: number): number => Math.round((sum * 1_000) / (end.samples - start.samples));
    return {
      delayMs: meanMs(end.delay - start.delay),
      targetMs: meanMs(end.target - start.target),
      minimumMs: meanMs(end.minimum - start.minimum),
    };
  }

  /** Candidates are of use only to a side that knows the other's description. */
  #tell(from: RTCPeerConnection, to: RTCPeerConnection): void {
    from.addEventListener('icecandidate', ({ candidate }) => {
      void this.#agreed.then(() => to.addIceCandidate(candidate));
    });
  }

  /** Of one pitch with many overtones: an encoder has work with it, and a jitter buffer can stretch it as it can speech. */
  #sound(): MediaStreamTrack {
    const oscillator = new OscillatorNode(this.#audio, { type: 'sawtooth', frequency: 110 });
    const volume = new GainNode(this.#audio, { gain: 0.2 });
    const out = new MediaStreamAudioDestinationNode(this.#audio);
    oscillator.connect(volume).connect(out);
    oscillator.start();
    const [track] = out.stream.getAudioTracks();
    if (track === undefined) throw new Error('There is no sound');
    return track;
  }
}

async function describe(
  connection: RTCPeerConnection,
  profile: MediaProfile | undefined,
): Promise<RTCSessionDescriptionInit> {
  if (profile !== undefined) return (await media.setLocalMediaDescription(connection, profile)).description;
  await connection.setLocalDescription();
  if (connection.localDescription === null) throw new Error('There is no description');
  return connection.localDescription;
}

/** Those go another way, which a test may have them go through its relay. */
function withoutCandidates({ type, sdp = '' }: RTCSessionDescriptionInit): RTCSessionDescriptionInit {
  return { type, sdp: sdp.replaceAll(/^a=(?:candidate:|end-of-candidates).*\r\n/gm, '') };
}

/** The first that can be reached by UDP over IPv4. */
function candidateOf(connection: RTCPeerConnection): Promise<RTCIceCandidate> {
  return new Promise((resolve) => {
    connection.addEventListener('icecandidate', ({ candidate }) => {
      if (candidate?.protocol === 'udp' && candidate.address?.includes('.') === true) resolve(candidate);
    });
  });
}

function endpointOf({ address, port }: RTCIceCandidate): Endpoint {
  if (address === null || port === null) throw new Error('The candidate has no address');
  return { address, port };
}

function through(port: number, { candidate, port: own, sdpMid }: RTCIceCandidate): RTCIceCandidateInit {
  return { candidate: candidate.replace(` ${own} typ `, ` ${port} typ `), sdpMid };
}

interface Stats {
  readonly number: (name: string) => number;
  readonly text: (name: string) => string;
}

/** The one entry of that type, or that with the id; one that is not there yet has 0 and '' for everything. */
async function statsOf(connection: RTCPeerConnection, type: string, id?: string): Promise<Stats> {
  const entries: unknown[] = [...(await connection.getStats()).values()];
  const read = (entry: unknown, name: string): unknown =>
    typeof entry === 'object' && entry !== null ? Reflect.get(entry, name) : undefined;
  const entry = entries.find((one) => read(one, 'type') === type && (id === undefined || read(one, 'id') === id));
  return {
    number: (name) => Number(read(entry, name) ?? 0),
    text: (name) => {
      const value = read(entry, name);
      return typeof value === 'string' ? value : '';
    },
  };
}

Object.assign(window, { media, Loopback, profileOf });
