import type { CommandAction } from '../../domain/commands.js';
import type { SessionResource } from '../../domain/session.js';
import type { Role } from '../../domain/sign-in.js';
import { isHeard } from './model.js';
import type { Command, Link } from './model.js';
import { ordinal } from './words.js';

/** One of the things to do with a session. */
export interface Control {
  readonly action: CommandAction;
  readonly label: string;
  /** What it leads to, or while it cannot be used why it cannot. */
  readonly hint: string;
  readonly isPossible: boolean;
  /** The session is in this mode, as the platform confirmed. */
  readonly isCurrent: boolean;
  /** It was asked for, and nothing has come of it yet. */
  readonly isAsked: boolean;
}

interface Situation {
  readonly session: SessionResource;
  /** All sessions of the call, ours among them. */
  readonly sessions: readonly SessionResource[];
  readonly command: Command | undefined;
  readonly roles: readonly Role[];
  readonly link: Link;
}

const LABELS: Readonly<Record<CommandAction, string>> = {
  silent: 'Listen',
  whisper: 'Whisper',
  barge: 'Barge in',
  stop: 'Leave',
};

const CURRENT: Readonly<Record<Exclude<CommandAction, 'stop'>, SessionResource['state']>> = {
  silent: 'SILENT',
  whisper: 'WHISPER',
  barge: 'BARGE',
};

/** What can be done with our own session, and why the rest cannot: listen, whisper, barge in, leave. */
export function controlsOf(situation: Situation): Control[] {
  return (['silent', 'whisper', 'barge', 'stop'] as const).map((action) => {
    const obstacle = obstacleTo(action, situation);
    return {
      action,
      label: action === 'silent' && situation.session.waiting !== null ? 'Leave the line' : LABELS[action],
      hint: obstacle ?? hintOf(action, situation),
      isPossible: obstacle === undefined,
      isCurrent: isCurrent(action, situation),
      isAsked: isAsked(action, situation),
    };
  });
}

/** Whether something was asked for of which the outcome is not known. */
export function isUnderWay(command: Command | undefined): boolean {
  return command !== undefined && ['sending', 'accepted', 'queued'].includes(command.status);
}

function isCurrent(action: CommandAction, { session }: Situation): boolean {
  return action !== 'stop' && session.waiting === null && session.state === CURRENT[action];
}

/** The session is told of before the command: what has come about is no longer waited for. */
function isAsked(action: CommandAction, situation: Situation): boolean {
  const { command } = situation;
  return isUnderWay(command) && command?.action === action && !isCurrent(action, situation);
}

function obstacleTo(action: CommandAction, situation: Situation): string | undefined {
  const { session, command, roles, link } = situation;
  if (session.ending !== null || session.state === 'TERMINATED') return 'You are leaving this call.';
  if (isAsked(action, situation) && command?.status !== 'queued')
    return 'Asked for; waiting for the platform to confirm.';
  // Whoever speaks must be able to leave, whatever else is wrong.
  if (action === 'stop') return undefined;
  if (link.kind !== 'live') return 'Not connected: what is shown may be old.';
  if ((action === 'whisper' || action === 'barge') && !maySpeak(roles)) return 'Your role may listen only.';
  if (session.state === 'PENDING') return 'Possible once the platform confirms that you are connected.';
  if (session.waiting !== null)
    return session.waiting.mode === action ? `You are in line: ${ordinal(session.waiting.position)}.` : undefined;
  if (isCurrent(action, situation)) return 'This is where you are.';
  return undefined;
}

function maySpeak(roles: readonly Role[]): boolean {
  return roles.some((role) => role === 'supervisor' || role === 'admin');
}

function hintOf(action: CommandAction, { session, sessions }: Situation): string {
  if (action === 'stop') {
    return isHeard(session) ? 'Fall silent, and leave this call.' : 'Stop listening to this call.';
  }
  if (action === 'silent') {
    return session.waiting === null
      ? 'Nobody on the call hears you any more.'
      : 'Give up your place and go on listening.';
  }
  const consequence = action === 'barge' ? 'Agent and customer hear you.' : 'Only the agent hears you.';
  if (session.waiting !== null) return `${consequence} You keep your place in line.`;
  const speaker = speakerBefore({ session, sessions });
  return speaker === undefined ? consequence : `${consequence} ${speaker} speaks now: you would wait in line.`;
}

/** Who has to fall silent before we may speak; `undefined`: nobody, as far as is known. */
export function speakerBefore({ session, sessions }: Pick<Situation, 'session' | 'sessions'>): string | undefined {
  if (isHeard(session)) return undefined;
  const speaker = sessions.find(isHeard);
  // What other sessions show is told at once, what the platform says of the call was seen some time ago.
  if (speaker === undefined && session.bargeStatus === 'inactive') return undefined;
  return speaker?.supervisorId ?? 'Somebody else';
}
