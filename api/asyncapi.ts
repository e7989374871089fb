import { mediaFallback, sessionMedia } from '../domain/media.js';
import {
  changeMessage,
  heartbeatMessage,
  mediaSample,
  samplesMessage,
  snapshotMessage,
} from '../domain/notifications.js';
import { sessionResource } from '../domain/session.js';
import { EVENTS_PATH } from './event-sockets.js';
import type { EventsQuery } from './event-sockets.js';
import { schemasOf } from './openapi.js';

type Json = Readonly<Record<string, unknown>>;

const MESSAGES = {
  Snapshot:
    'All sessions that run and that the filters let through, in place of all that was known before: one that is not among them is over. Comes first, but for a resume that has no gap: then what was missed comes at once, and nothing where nothing was missed.',
  Change:
    'What happened to a session (type), and the session as it was read then, which may be ahead of that. Changes go by seq; at is when it happened, by the clock of whoever saw it. Without hints (a deployment of several processes without REDIS_URL) several changes may come as one, and without commandId and the like. What came of a command that did not change the session (rejected, failed, cancelled) is read under its Location.',
  Heartbeat: 'Every 15 s, and after what somebody had missed: everything up to seq has been told, or is filtered out.',
  Samples:
    'With samples=true, or of one’s own sessions with samples=own: how legs are heard between two changes of that. Comes once at first, with what is remembered (the latest of each session, 60 at most, the oldest first), and then about every second with what is new, of each session the latest; not at all where no worker tells. No seq, and never told again: a sample may come twice, late or never, and who reads slowly is told fewer.',
} as const;

const FILTERS: Readonly<Record<keyof EventsQuery, string>> = {
  ticket: 'Of POST /v1/events/tickets, instead of Authorization; works once.',
  after:
    'epoch:seq of the last message seen: what came after it is told, or a snapshot where that is not known any more.',
  sessionId: 'Only this session.',
  interactionId: 'Only sessions on this interaction.',
  supervisorId: 'Only sessions of this supervisor.',
  own: 'true: only sessions of the person whose token it is.',
  samples: 'true: samples are told as well; own: those of one’s own sessions (people only).',
};

/** The AsyncAPI 3.0 document of the WebSocket, made of the schemas that shape what goes out. */
export function asyncApiDocument(): Json {
  const names = Object.keys(MESSAGES);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Earshot',
      version: '1',
      description:
        'What happens to monitoring sessions, as it happens. The server speaks; whoever sends anything is closed with 1008. Close codes: 1001 the process ends; 4001 the token has expired; 4008 read too slowly. Come again with after, and nothing is missed; the epoch is that of one API process, and another one answers a snapshot. Who is refused gets an HTTP answer, a problem like those of REST: 400 invalid.request (a filter, or an after that is no place: drop it), 401 authentication.required (get another ticket or token), 403 access.denied (the role, or the page’s origin), 426 upgrade.required, 503 too.many.connections or authentication.unavailable (try again later).',
    },
    channels: {
      events: {
        address: EVENTS_PATH,
        messages: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }])),
        bindings: {
          ws: {
            method: 'GET',
            query: {
              type: 'object',
              properties: Object.fromEntries(
                Object.entries(FILTERS).map(([name, description]) => [name, { type: 'string', description }]),
              ),
              additionalProperties: false,
            },
            bindingVersion: '0.1.0',
          },
        },
      },
    },
    operations: {
      tellEvents: {
        action: 'send',
        channel: { $ref: '#/channels/events' },
        messages: names.map((name) => ({ $ref: `#/channels/events/messages/${name}` })),
        security: [{ $ref: '#/components/securitySchemes/bearer' }],
      },
    },
    components: {
      messages: Object.fromEntries(
        Object.entries(MESSAGES).map(([name, summary]) => [
          name,
          { name, summary, contentType: 'application/json', payload: { $ref: `#/components/schemas/${name}` } },
        ]),
      ),
      schemas: schemasOf(
        {
          Snapshot: snapshotMessage,
          Change: changeMessage,
          Heartbeat: heartbeatMessage,
          Samples: samplesMessage,
          MediaSample: mediaSample,
          Session: sessionResource,
          Media: sessionMedia,
          MediaFallback: mediaFallback,
        },
        'output',
      ),
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'The API key or a person’s token; browsers use ticket.',
        },
      },
    },
  };
}
