/**
 * Applies what Earshot says about the media of a session (`media` of `GET /v1/sessions/{id}` and of each change on
 * `/v1/events`) to the `RTCPeerConnection` by which a supervisor listens. One file, no dependency: docs/media-client.md
 * tells how to embed it.
 *
 * The jitter buffer and the bitrate that we send change at once. The order of codecs, NACK and the bitrate that we ask for are
 * part of the session description: they change with the next offer and answer.
 */

/** What is used of a session's `media`; whatever else that has is left alone. */
export interface MediaProfile {
  readonly codec: {
    /** `opus`, the only one that a bitrate can be asked of. */
    readonly name: string;
    /** Bits per second, 6000 to 510000: what we ask to receive, and the most that we send (RFC 7587, 6.1). */
    readonly bitrateBps: number;
  };
  /** How long the jitter buffer shall hold audio: 0 to 4000 ms (W3C webrtc-extensions, `jitterBufferTarget`). */
  readonly playoutDelayMs: number;
  /** Whether lost packets are to be asked for again (Generic NACK: RFC 4585, 6.2.1). */
  readonly nackEnabled: boolean;
}

/** Thrown for a profile that cannot be applied, before anything is changed. */
export class MediaProfileError extends Error {
  readonly code = 'media.profile.invalid';

  constructor(
    /** The field that is wrong, such as `codec.bitrateBps`. */
    readonly field: string,
    message: string,
  ) {
    super(message);
    this.name = 'MediaProfileError';
  }
}

/** `description`: what only an offer or answer can say. */
export type MediaPart = 'jitterBuffer' | 'maxBitrate' | 'codecPreferences' | 'description';

/** Something that could not be done; all the rest was. */
export interface MediaProblem {
  readonly part: MediaPart;
  /** The media section concerned; `null` before it has one, or where it is about all of them. */
  readonly mid: string | null;
  /**
   * `unsupported`: this browser cannot. `not-negotiated`: possible only after the first offer and answer, so apply again
   * then. `refused`: the browser refused it, and `message` says why.
   */
  readonly reason: 'unsupported' | 'not-negotiated' | 'refused';
  readonly message: string;
}

export interface AppliedMedia {
  /** What is different now; empty where all was as it should be. */
  readonly changed: readonly MediaPart[];
  /**
   * Whether the descriptions in force say something else than the profile, and `setLocalMediaDescription` has not tried
   * it yet. A peer that declined what was asked is not to be asked for ever.
   */
  readonly needsNegotiation: boolean;
  readonly problems: readonly MediaProblem[];
}

export interface LocalMedia extends AppliedMedia {
  /** To be sent to the other side, as after any `setLocalDescription()`. */
  readonly description: RTCSessionDescriptionInit;
}

const BITRATE_BPS = { min: 6_000, max: 510_000 };
const PLAYOUT_DELAY_MS = { min: 0, max: 4_000 };

/** A transceiver's codec preferences cannot be read back. */
const preferred = new WeakMap<RTCRtpTransceiver, string>();
/** What was last put into a local description, and which that was. */
const described = new WeakMap<RTCPeerConnection, { readonly key: string; readonly origin: string }>();
/** `setParameters` is a transaction: the next one reads what this one has left. */
const turns = new WeakMap<RTCRtpSender, Promise<unknown>>();

/**
 * Sets on all audio of the connection what can be set at once: the jitter buffer's target and the bitrate that is sent; and the
 * order of codecs for the next negotiation. What is so already is not touched, other media never are.
 *
 * Rejects with `MediaProfileError` and for nothing else; what the browser cannot do is in `problems`. Two at the same time are
 * applied one after the other.
 */
export async function applyMediaProfile(connection: RTCPeerConnection, profile: MediaProfile): Promise<AppliedMedia> {
  const checked = checkProfile(profile);
  const changed = new Set<MediaPart>();
  const problems: MediaProblem[] = [];
  const note = (part: MediaPart, mid: string | null, outcome: Outcome): void => {
    if (outcome === 'changed') changed.add(part);
    else if (outcome !== 'unchanged') problems.push({ part, mid, ...outcome });
  };
  const audio = connection
    .getTransceivers()
    .filter(({ direction, receiver }) => direction !== 'stopped' && receiver.track.kind === 'audio');
  // Before anything is waited for: whoever does not wait and makes an offer gets the order of codecs.
  for (const transceiver of audio) {
    note('codecPreferences', transceiver.mid, prefer(transceiver, checked.codec.name));
    note('jitterBuffer', transceiver.mid, holdFor(transceiver.receiver, checked.playoutDelayMs));
  }
  await Promise.all(audio.map(async (one) => note('maxBitrate', one.mid, await limit(one, checked.codec.bitrateBps))));
  return { changed: [...changed], needsNegotiation: !isTried(connection, checked), problems };
}

/**
 * Instead of `setLocalDescription()`, for offer and answer alike: applies the profile, makes the description that the
 * connection's state asks for, with all of the profile in it, and sets it. Should the browser refuse that, its own is set, and
 * `problems` says so. Rejects with `MediaProfileError`, and as `createOffer`, `createAnswer` and `setLocalDescription` do.
 */
export async function setLocalMediaDescription(
  connection: RTCPeerConnection,
  profile: MediaProfile,
): Promise<LocalMedia> {
  const checked = checkProfile(profile);
  const before = await applyMediaProfile(connection, checked);
  const isAnswer = ['have-remote-offer', 'have-local-pranswer'].includes(connection.signalingState);
  const offer = isAnswer ? connection.remoteDescription : null;
  const own = offer === null ? await connection.createOffer() : await connection.createAnswer();
  const sdp = withMediaProfile(own.sdp ?? '', checked, offer === null ? {} : { answerTo: offer.sdp });
  const problems: MediaProblem[] = [];
  try {
    await connection.setLocalDescription({ type: own.type, sdp });
  } catch (error) {
    await connection.setLocalDescription(own);
    problems.push({ part: 'description', mid: null, ...refused(error) });
  }
  described.set(connection, { key: keyOf(checked), origin: originOf(connection) });
  // A sender has no encodings before its section is described, in some browsers.
  const after = await applyMediaProfile(connection, checked);
  return {
    changed: [...new Set([...before.changed, ...after.changed])],
    needsNegotiation: after.needsNegotiation,
    problems: [...after.problems, ...problems],
    description: connection.localDescription ?? own,
  };
}

/**
 * A session description whose audio sections say what the profile does of its codec: `a=rtcp-fb:… nack` or none, and
 * `maxaveragebitrate` and `useinbandfec` among its `a=fmtp`. All else stays as it is to the letter; what says so already comes
 * back as it was. It is meant for a description of our own, as these lines say what the side that sends them would like to receive
 * (RFC 7587, 6.1).
 *
 * An answer may confirm NACK but not ask for it (RFC 4585, 4.2), so that of an answer is given the offer, as `answerTo`.
 *
 * @throws {MediaProfileError}
 */
export function withMediaProfile(
  sdp: string,
  profile: MediaProfile,
  { answerTo }: { readonly answerTo?: string } = {},
): string {
  const { codec, nackEnabled } = checkProfile(profile);
  const offered = answerTo === undefined ? undefined : sectionsOf(answerTo);
  return sectionsOf(sdp)
    .map((lines, index) => {
      const asked = offered === undefined || hasNack(offered[index] ?? [], codec.name);
      return payloadTypesOf(lines, codec.name).reduce(
        (soFar, payloadType) =>
          withParameters(withNack(soFar, payloadType, nackEnabled && asked), payloadType, codec.bitrateBps),
        lines,
      );
    })
    .flat()
    .join('');
}

type Outcome = 'changed' | 'unchanged' | Pick<MediaProblem, 'reason' | 'message'>;

function refused(error: unknown): Pick<MediaProblem, 'reason' | 'message'> {
  return { reason: 'refused', message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
}

/** That codec first and the others, such as telephone events and comfort noise, after it as the browser has them. */
function prefer(transceiver: RTCRtpTransceiver, codecName: string): Outcome {
  if (preferred.get(transceiver) === codecName) return 'unchanged';
  if (!has(transceiver, 'setCodecPreferences')) {
    return { reason: 'unsupported', message: 'This browser has no RTCRtpTransceiver.setCodecPreferences' };
  }
  const codecs = RTCRtpReceiver.getCapabilities('audio')?.codecs ?? [];
  const isWanted = ({ mimeType }: RTCRtpCodec): boolean => mimeType.toLowerCase() === `audio/${codecName}`;
  if (!codecs.some(isWanted)) return { reason: 'unsupported', message: `This browser cannot receive ${codecName}` };
  try {
    transceiver.setCodecPreferences([...codecs.filter(isWanted), ...codecs.filter((codec) => !isWanted(codec))]);
  } catch (error) {
    return refused(error);
  }
  preferred.set(transceiver, codecName);
  return 'changed';
}

function holdFor(receiver: RTCRtpReceiver, delayMs: number): Outcome {
  // The older of the two counts in seconds, and no longer stands in any specification: TypeScript does not know it.
  const [member, value] = has(receiver, 'jitterBufferTarget')
    ? (['jitterBufferTarget', delayMs] as const)
    : (['playoutDelayHint', delayMs / 1_000] as const);
  if (!has(receiver, member)) {
    const message = 'This browser has neither RTCRtpReceiver.jitterBufferTarget nor playoutDelayHint';
    return { reason: 'unsupported', message };
  }
  if (Reflect.get(receiver, member) === value) return 'unchanged';
  try {
    Reflect.set(receiver, member, value);
  } catch (error) {
    return refused(error);
  }
  return 'changed';
}

function limit({ sender, direction }: RTCRtpTransceiver, bitrateBps: number): Promise<Outcome> {
  const turn = (turns.get(sender) ?? Promise.resolve()).then(async (): Promise<Outcome> => {
    try {
      // What is read is good for one `setParameters`, without any wait between the two.
      const parameters = sender.getParameters();
      if (!isFilled(parameters.encodings)) {
        // One that only listens has nothing to limit; to speak, it has to negotiate.
        if (!direction.startsWith('send')) return 'unchanged';
        return { reason: 'not-negotiated', message: 'The sender has no encodings yet: apply again after the answer' };
      }
      if (parameters.encodings.every(({ maxBitrate }) => maxBitrate === bitrateBps)) return 'unchanged';
      for (const encoding of parameters.encodings) encoding.maxBitrate = bitrateBps;
      await sender.setParameters(parameters);
      return 'changed';
    } catch (error) {
      return refused(error);
    }
  });
  turns.set(sender, turn);
  return turn;
}

/** Whether our latest description has been made for the profile, or says it all the same. */
function isTried(connection: RTCPeerConnection, profile: MediaProfile): boolean {
  const last = described.get(connection);
  // One that was rolled back, or replaced by somebody else's, has been tried in vain.
  if (last?.key === keyOf(profile) && last.origin === originOf(connection)) return true;
  return isInForce(connection, profile);
}

/** A description keeps this line while it gets candidates, and every other one has another version in it (RFC 8829, 5.2.2). */
function originOf({ localDescription }: RTCPeerConnection): string {
  return /^o=.*/m.exec(localDescription?.sdp ?? '')?.[0] ?? '';
}

/** Whether our description in force is what the profile would make of it, as far as the offer that it answers allows. */
function isInForce(connection: RTCPeerConnection, profile: MediaProfile): boolean {
  const { currentLocalDescription: local, currentRemoteDescription: remote } = connection;
  if (local === null) return false;
  const answerTo = local.type === 'answer' ? remote?.sdp : undefined;
  const wanted = withMediaProfile(local.sdp, profile, answerTo === undefined ? {} : { answerTo });
  if (wanted !== local.sdp) return false;
  const offered = answerTo === undefined ? undefined : sectionsOf(answerTo);
  return sectionsOf(local.sdp).every((lines, index) => {
    // A port of 0 is a section that is refused or over.
    const [, first] = /^m=audio (?!0 )\S+ \S+ (\d+)/.exec(lines[0] ?? '') ?? [];
    if (first === undefined || payloadTypesOf(lines, profile.codec.name).includes(first)) return true;
    return offered !== undefined && payloadTypesOf(offered[index] ?? [], profile.codec.name).length === 0;
  });
}

/** The lines before the first `m=`, then those of each media section; every line with the end that it has. */
function sectionsOf(sdp: string): string[][] {
  const sections: string[][] = [[]];
  for (const line of sdp.match(/[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+$/g) ?? []) {
    if (line.startsWith('m=')) sections.push([line]);
    else sections.at(-1)?.push(line);
  }
  return sections;
}

/** Of an audio section; of any other there are none. Names of encodings have no case (RFC 8866, 6.6). */
function payloadTypesOf(lines: readonly string[], codecName: string): string[] {
  if (!/^m=audio\s/.test(lines[0] ?? '')) return [];
  return lines.flatMap((line) => {
    const [, payloadType, name] = /^a=rtpmap:(\d+)\s+([^\s/]+)/.exec(line) ?? [];
    return payloadType !== undefined && name?.toLowerCase() === codecName ? [payloadType] : [];
  });
}

/** The payload type, or `*`, of a line that asks for Generic NACK: one with a parameter, such as `nack pli`, does not. */
function nackOf(line: string): string | undefined {
  return /^a=rtcp-fb:(\d+|\*)\s+nack\s*$/.exec(line)?.[1];
}

function hasNack(lines: readonly string[], codecName: string): boolean {
  const payloadTypes = ['*', ...payloadTypesOf(lines, codecName)];
  return lines.some((line) => payloadTypes.includes(nackOf(line) ?? ''));
}

function withNack(lines: readonly string[], payloadType: string, wanted: boolean): string[] {
  if (!wanted) {
    return lines.flatMap((line) => {
      const of = nackOf(line);
      if (of === payloadType) return [];
      if (of !== '*') return [line];
      // The other formats keep what was said of all.
      const [, formats = ''] = /^m=\S+ \S+ \S+ (.*)/.exec(lines[0] ?? '') ?? [];
      const others = formats.split(/\s+/).filter((format) => format !== '' && format !== payloadType);
      return others.map((format) => `a=rtcp-fb:${format} nack${endOf(line)}`);
    });
  }
  if (lines.some((line) => [payloadType, '*'].includes(nackOf(line) ?? ''))) return [...lines];
  return insertAfterLast(lines, new RegExp(`^a=(?:rtpmap|rtcp-fb):${payloadType}\\s`), `a=rtcp-fb:${payloadType} nack`);
}

function withParameters(lines: readonly string[], payloadType: string, bitrateBps: number): string[] {
  const wanted = [
    ['maxaveragebitrate', String(bitrateBps)],
    // That we can make use of it, should the sender find it worth sending.
    ['useinbandfec', '1'],
  ] as const;
  const format = new RegExp(`^a=fmtp:${payloadType} +`);
  if (!lines.some((line) => format.test(line))) {
    const parameters = wanted.map(([name, value]) => `${name}=${value}`).join(';');
    const ofIt = new RegExp(`^a=(?:rtpmap|rtcp-fb):${payloadType}\\s`);
    return insertAfterLast(lines, ofIt, `a=fmtp:${payloadType} ${parameters}`);
  }
  return lines.map((line) => {
    const [head] = format.exec(line) ?? [];
    if (head === undefined) return line;
    const given = line.slice(head.length).trimEnd();
    return `${head}${wanted.reduce(withParameter, given)}${endOf(line)}`;
  });
}

/** `a=1;b=2` with that parameter once, in its place if it has one. */
function withParameter(parameters: string, [name, value]: readonly [string, string]): string {
  const nameOf = (parameter: string): string => (parameter.split('=', 1)[0] ?? '').trim().toLowerCase();
  const given = parameters.split(';').filter((parameter) => parameter.trim() !== '');
  const at = given.findIndex((parameter) => nameOf(parameter) === name);
  if (at < 0) return [...given, `${name}=${value}`].join(';');
  return given
    .map((parameter, index) => (index === at ? parameter.replace(/\S.*/, `${name}=${value}`) : parameter))
    .filter((parameter, index) => index === at || nameOf(parameter) !== name)
    .join(';');
}

function insertAfterLast(lines: readonly string[], pattern: RegExp, text: string): string[] {
  const at = lines.findLastIndex((line) => pattern.test(line));
  const before = lines[at] ?? '';
  const end = endOf(before);
  const inserted = end === '' ? [`${before}\r\n`, text] : [before, `${text}${end}`];
  return [...lines.slice(0, at), ...inserted, ...lines.slice(at + 1)];
}

function endOf(line: string): string {
  return /[\r\n]*$/.exec(line)?.[0] ?? '';
}

/** What browsers lack of the types that TypeScript knows. */
function has(target: object, member: string): boolean {
  return member in target;
}

function isFilled(encodings: readonly RTCRtpEncodingParameters[] | undefined): boolean {
  return encodings !== undefined && encodings.length > 0;
}

/** What of the profile a description says. */
function keyOf({ codec, nackEnabled }: MediaProfile): string {
  return `${codec.name} ${codec.bitrateBps} ${nackEnabled}`;
}

function checkProfile(profile: unknown): MediaProfile {
  if (typeof profile !== 'object' || profile === null) {
    throw new MediaProfileError(
      'media',
      `Expected a media profile, got ${shown(profile)}: a session has none before its leg is made`,
    );
  }
  const codec: unknown = Reflect.get(profile, 'codec');
  const of = (target: unknown, name: string): unknown =>
    typeof target === 'object' && target !== null ? Reflect.get(target, name) : undefined;
  const name = of(codec, 'name');
  if (name !== 'opus') throw wrong('codec.name', 'opus', name);
  const nackEnabled = of(profile, 'nackEnabled');
  if (typeof nackEnabled !== 'boolean') throw wrong('nackEnabled', 'true or false', nackEnabled);
  const bitrateBps = of(codec, 'bitrateBps');
  if (!isWithin(bitrateBps, BITRATE_BPS) || !Number.isInteger(bitrateBps)) {
    throw wrong('codec.bitrateBps', 'a whole number from 6000 to 510000', bitrateBps);
  }
  const playoutDelayMs = of(profile, 'playoutDelayMs');
  if (!isWithin(playoutDelayMs, PLAYOUT_DELAY_MS))
    throw wrong('playoutDelayMs', 'a number from 0 to 4000', playoutDelayMs);
  return { codec: { name, bitrateBps }, playoutDelayMs, nackEnabled };
}

function isWithin(value: unknown, { min, max }: { readonly min: number; readonly max: number }): value is number {
  return typeof value === 'number' && value >= min && value <= max;
}

function wrong(field: string, expected: string, got: unknown): MediaProfileError {
  return new MediaProfileError(field, `Expected ${field} to be ${expected}, got ${shown(got)}`);
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  // Of an object it says enough that it is one.
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
