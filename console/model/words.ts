import type { LegAtEnd, SessionEvent } from '../../domain/audit-entry.js';
import type { CommandReason } from '../../domain/errors.js';
import type { EndReason, SessionResource, SessionState } from '../../domain/session.js';
import { isHeard } from './model.js';

/** A state in words: what it is called, and what it means for those on the call. */
interface StateWords {
  readonly title: string;
  readonly meaning: string;
}

export const STATE_WORDS: Readonly<Record<SessionState, StateWords>> = {
  PENDING: { title: 'Connecting', meaning: 'You hear nothing yet' },
  SILENT: { title: 'Listening', meaning: 'Nobody on the call hears you' },
  WHISPER: { title: 'Whispering', meaning: 'The agent hears you, the customer does not' },
  BARGE: { title: 'Barged in', meaning: 'Agent and customer hear you' },
  TERMINATED: { title: 'Ended', meaning: 'You have left the call' },
};

const END_WORDS: Readonly<Record<EndReason, string>> = {
  stopped: 'you left',
  'interaction-ended': 'the call is over',
  'start-failed': 'the platform did not let you listen',
  'not-confirmed': 'the platform never confirmed that you were connected',
  'leg-lost': 'the platform cut your connection, as a transfer of the call does',
  'max-duration': 'the longest time for a session was over',
  forbidden: 'the platform does not allow it',
  cancelled: 'it was cancelled by an operator',
  terminated: 'it was ended by force by an operator',
  'platform-unreachable': 'the platform could not be reached',
};

/** Why a session ended. */
export function endWords(reason: EndReason | null): string {
  return reason === null ? 'it is over' : END_WORDS[reason];
}

/** Codes of outcomes (`docs/` and OpenAPI name them) in words. */
const REASON_WORDS = {
  ...END_WORDS,
  silent: 'you went back to listening',
  'leg-unknown': 'what became of your connection is not known',
  unauthorized: 'the platform refused Earshot’s credentials',
  invalid: 'the platform did not accept it',
  'not-ready': 'the platform was not ready for it',
  throttled: 'the platform is too busy',
  'platform-unreachable': 'the platform did not answer',
  stopped: 'you left the call',
  'leg-lost': 'your connection to the call was cut',
} satisfies Readonly<Record<CommandReason | EndReason, string>>;

/** By any text: an object would know `constructor` too. */
const WORDS_BY_REASON: ReadonlyMap<string, string> = new Map(Object.entries(REASON_WORDS));

/** Why something came to nothing; what is no known code is shown as it is. */
export function reasonWords(reason: string | null): string {
  if (reason === null) return '';
  return WORDS_BY_REASON.get(reason) ?? reason.replaceAll(/[-.]/g, ' ');
}

/** 1st, 2nd, 3rd, 4th, 11th … */
export function ordinal(position: number): string {
  if (position === 1) return 'next';
  const tens = position % 100;
  const suffix = tens >= 11 && tens <= 13 ? 'th' : (['th', 'st', 'nd', 'rd'][position % 10] ?? 'th');
  return `${position}${suffix}`;
}

/**
 * A customer so that whoever looks over a shoulder does not learn who calls: of a name the initials, of a number the last
 * two digits.
 */
export function maskedCustomer(customer: string | null): string {
  if (customer === null || customer.trim() === '') return 'Unknown';
  const digits = customer.replaceAll(/\D/g, '');
  if (digits.length >= 5) return `••• ${digits.slice(-2)}`;
  // A short number, an extension say, has nothing to spare.
  if (!/\p{L}/u.test(customer)) return '•••';
  return customer
    .trim()
    .split(/\s+/)
    .map((part) => `${String.fromCodePoint(part.codePointAt(0) ?? 0)}•••`)
    .join(' ');
}

/** An agent's id as people say it: `dmitri.volkov` is Dmitri Volkov. Others are shown as they are. */
export function agentName(agentId: string | null): string {
  if (agentId === null) return 'Unknown agent';
  if (!/^\p{Ll}+(?:\.\p{Ll}+)+$/u.test(agentId)) return agentId;
  return agentId
    .split('.')
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join(' ');
}

/** `m:ss`, from an hour on `h:mm:ss`. @param ms less than 0 counts as 0; not a number where a time could not be read */
export function durationText(ms: number): string {
  if (!Number.isFinite(ms)) return '–';
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const two = (value: number): string => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** Whole seconds until a moment, by the server's clock; never less than 0. */
export function secondsLeft(expiresAt: string, serverNowMs: number): number {
  return Math.max(0, Math.ceil((Date.parse(expiresAt) - serverNowMs) / 1_000));
}

/** What became of the leg: nobody has left of whom the platform never said so. */
const LEG_WORDS: Readonly<Record<LegAtEnd, string>> = {
  none: 'Over; there was no connection',
  gone: 'Left the call',
  forbidden: 'Given up: the platform does not allow to cut the connection',
  invalid: 'Given up: the platform does not accept that the connection be cut',
  unreachable: 'Given up: the platform never confirmed that the connection is cut',
  unknown: 'Over; whether there was a connection is not known',
};

/** A line of the audit trail. */
export function eventWords(event: SessionEvent): string {
  switch (event.type) {
    case 'session.created':
      return 'Asked to listen';
    case 'leg.made':
      return event.how === 'adopted' ? 'Connection found again' : 'Connection asked of the platform';
    case 'session.active':
      return 'Connected';
    case 'session.mode':
      return event.mode === 'silent' ? 'Listening' : event.mode === 'whisper' ? 'Whispering' : 'Barged in';
    case 'session.observed':
      return event.bargeStatus === 'active' ? 'Somebody else speaks' : 'Nobody else speaks any more';
    case 'session.media':
      return `Heard ${event.quality === 'good' ? 'well' : event.quality === 'fair' ? 'fairly' : 'poorly'} (${event.bitrateBps / 1_000} kbit/s)`;
    case 'session.queued':
      return `In line, ${ordinal(event.position)}`;
    case 'session.moved':
      return `Moved up in line: ${ordinal(event.position)}`;
    case 'session.granted':
      return 'Your turn';
    case 'session.expired':
      return 'Waited in vain';
    case 'session.superseded':
      return 'A newer request took its place in line';
    case 'session.ending':
      return `Leaving: ${endWords(event.endReason)}`;
    case 'session.ended':
      return LEG_WORDS[event.leg];
    case 'command.accepted':
      return `Asked for: ${event.action}`;
    case 'command.settled':
      return `Came of it: ${event.status}${event.reason === undefined ? '' : ` (${reasonWords(event.reason)})`}`;
    case 'platform.unanswering':
      return 'The platform does not answer';
    case 'platform.answering':
      return 'The platform answers again';
    case 'signal.refused':
      return 'A message made no sense and was refused';
  }
}

const PRESENCE_WORDS: Readonly<Record<SessionState, string>> = {
  PENDING: 'connecting',
  SILENT: 'listening',
  WHISPER: 'whispering',
  BARGE: 'barged in',
  TERMINATED: 'gone',
};

/** Where a session stands, as it is said beside its supervisor's name: ben, `whispering`. */
export function presenceWords(session: SessionResource): string {
  const { state, waiting, ending } = session;
  if (ending !== null) return isHeard(session) ? 'leaving, perhaps still heard' : 'leaving';
  if (waiting !== null) return `in line to ${waiting.mode}, ${ordinal(waiting.position)}`;
  return PRESENCE_WORDS[state];
}
