import type { z } from 'zod';
import type { ANSWERS, REQUESTS } from './operations.js';

type FieldsOf<T> = T extends z.ZodType<infer Value extends object> ? { readonly [K in keyof Value]?: string } : never;
type NotesOn<T> = { readonly [K in keyof T]?: FieldsOf<T[K]> };

/**
 * What the document says of fields, beside their schemas: workflows share those, and would build every word anew with each
 * session. A name that no schema has does not compile.
 */
export const FIELD_NOTES: NotesOn<typeof REQUESTS> & NotesOn<typeof ANSWERS> = {
  NewSession: {
    interactionId: 'The platform’s id of the call; percent-encoded it has at most 480 characters.',
    supervisorId:
      'Who listens. One supervisor has one session on an interaction. With a token: its sub unless told, and nobody else without the role admin; with the API key it is required.',
    mediaServerGroupId:
      'Asks the platform for this media server group; default: the one that carries the call. Where it cannot take the leg, that one is asked, then two others of the call’s region, then any; media.fallback tells.',
    mediaAffinity:
      'strict: the leg is made in the group that is named, or where none is in the one that carries the call; where that cannot be, there is none, and the session ends as start-failed. Default: preferred.',
    mode: 'What the session goes to once it is active. Default: silent.',
    maxDurationSeconds: 'It is stopped after so long, s. Default: 86400.',
    reason: 'Goes to the audit trail.',
  },
  NewCommand: {
    action:
      'barge: speak to agent and customer. whisper: speak to the agent alone. silent: only listen. stop: end the session.',
    reason: 'Goes to the audit trail.',
    runId: 'The session that is meant, if another may have been started under the same id since: 409 then.',
  },
  Payloads: {
    payloads: 'As Temporal’s HTTP API shows them: metadata and data, every value in base64.',
  },
  CodedPayloads: {
    payloads: 'Likewise.',
  },
  Session: {
    sessionId: 'session~{interactionId}~{supervisorId}; also the id of its Temporal workflow.',
    runId: 'Tells one session from the next under the same sessionId.',
    version: 'Rises with every change; falls only where the session is reset in Temporal.',
    state: 'What the platform last confirmed. PENDING: it has confirmed nothing yet. TERMINATED: over for good.',
    monitorSessionId: 'The platform’s id of the leg; null while there is none.',
    bargeStatus: 'Whether anybody on the call, ours or not, barges or whispers, as last seen.',
    waiting: 'In line for the one exclusive channel of the interaction: position 1 is next, until expiresAt.',
    ending: 'Its leg is being stopped, for this reason and since then.',
    media:
      'Where the leg is carried, how well it is heard as of the last change, and what the client of whoever listens should apply (codec, playoutDelayMs, nackEnabled); null before there is a leg.',
    unansweredSince: 'Since when the platform has not answered what the session asked of it; null: it has.',
    endReason: 'Why it ended; null while it has not.',
    serverNow: 'The time of the answer, to count down with.',
  },
  Media: {
    mediaServerGroupId: 'The group that carries the leg, as the platform tells; null: it does not.',
    affinity:
      'How near that is to the group that carries the call: primary: it is that one; same-region; none: neither, or nobody could find out.',
    fallback: 'That the leg was not made where it was wanted, as of its start; null: it was.',
    codec: 'For the client of whoever listens: bitrateBps is the most that either direction should take, bit/s.',
    playoutDelayMs: 'Likewise: how long the jitter buffer should hold what it has received, ms.',
    nackEnabled: 'Likewise: whether lost packets should be asked for again (RFC 4585).',
    packetLoss: '0 to 1, as of the last change; null before the first.',
    jitterMs: 'ms, likewise.',
    roundTripMs: 'ms, likewise.',
    sampledAt: 'When that was measured, by the platform’s clock.',
    quality:
      'By the E-model of ITU-T G.107, with the profile above applied: good, fair or poor. The first sample tells at once, after that it takes as many in a row as a change of the bit rate does; null before.',
  },
  MediaFallback: {
    wanted: 'The group that was named, or carries the call; null: nobody could tell which that is.',
    reason:
      'draining, down, unknown: as the platform says of that group. unavailable: it refused it, as where it is full. moved: it took it, and put the leg elsewhere. lookup-failed: which group carries the call could not be found out in time.',
  },
  Command: {
    action: 'start: the session’s own first command, whose commandId is ~start.',
    status:
      'accepted and queued are under way. applied: done, as the platform confirmed; a stop of a session that was over already is applied too. rejected: the platform or the session’s state said no. expired: its wait for the channel was over. superseded: a newer barge or whisper took its place. cancelled: the session ended, or fell silent, first. failed: it could not be carried out.',
    reason: 'Why it was not applied.',
    position: 'While queued: the place in line, 1 is next.',
    expiresAt: 'While queued: when the wait is over.',
    conflictingMonitorSessionId:
      'The leg that held the channel although it was this command’s turn, such as another program’s.',
  },
  Interaction: {
    customer: 'As the platform shows it; not masked.',
    sessions: 'Those that run.',
  },
  SignInState: {
    ways: 'key: by the API key and a name. token: by a token of the identity provider.',
  },
  Me: {
    id: 'The supervisor id; null: software, which has none.',
    expiresAt: 'When the token or the sign-in does; null: it never does.',
    temporalUi:
      'Where Temporal’s UI shows a session, with {sessionId} and {runId} to fill in, percent-encoded; null: nobody has said where that is (TEMPORAL_UI_URL).',
  },
  Readiness: {
    reasons: 'Why not, for people.',
    workers: 'How many have polled in the last minute; null: unknown. None is no reason against readiness.',
    tokens:
      'How each worker’s token of the platform is; null: unknown. A bad one is no reason against readiness either.',
  },
};
