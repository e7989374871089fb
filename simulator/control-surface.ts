import { z } from 'zod';
import { apiError, invalidRequest, notFound, type ApiAnswer } from './api-answer.js';
import type { IncomingRequest } from './admission.js';
import { ControlError, controlSchemas as schemas, type Controls } from './controls.js';
import type { Ledger } from './ledger.js';

/** All of the control surface lives under this path; nothing of `platform-api.md` does. */
export const CONTROL_PREFIX = '/_control/';

const ledgerQuerySchema = z.object({
  interactionId: z.string().optional(),
  action: z.string().optional(),
  clientId: z.string().optional(),
  since: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().min(1).max(10_000).default(1_000),
});

/**
 * The controls and the ledger over HTTP: `GET /_control/ledger?interactionId=&action=&clientId=&since=&limit=`,
 * `GET /_control/faults`, and `POST /_control/<control>` with the control's argument as JSON. `README.md` has the table.
 */
export class ControlSurface {
  readonly #ledger: Ledger;
  readonly #faultList: () => object;
  /** Every control by its name in the path; a body is handed on as it came, the control itself parses it. */
  readonly #actions: ReadonlyMap<string, (body: unknown) => unknown>;

  constructor(controls: Controls, ledger: Ledger) {
    this.#ledger = ledger;
    this.#faultList = () => ({ faults: controls.listFaults() });
    this.#actions = actionsOf(controls);
  }

  handle(request: IncomingRequest): ApiAnswer {
    const name = request.path.slice(CONTROL_PREFIX.length);
    if (request.method === 'GET' && name === 'ledger') return this.#readLedger(request);
    if (request.method === 'GET' && name === 'faults') return { status: 200, body: this.#faultList() };
    const action = this.#actions.get(name);
    if (action === undefined) return notFound();
    if (request.method !== 'POST') return apiError(405, 'method.not.allowed', 'Controls take POST.');
    // A page in a browser can post forms and text to loopback without being asked, but no JSON.
    if (request.bodyText !== '' && !request.contentType?.startsWith('application/json')) {
      return apiError(415, 'unsupported.media.type', 'Controls take application/json.');
    }
    return answerOf(action, request.bodyText);
  }

  #readLedger(request: IncomingRequest): ApiAnswer {
    const query = ledgerQuerySchema.safeParse(request.query);
    if (!query.success) return invalidRequest(z.prettifyError(query.error));
    const { limit, ...filter } = query.data;
    const { interactionId, clientId, since } = filter;
    const requests = this.#ledger.requests(filter).slice(0, limit);
    return {
      status: 200,
      body: {
        requests,
        legs: this.#ledger.legs({ interactionId, clientId }),
        violations: this.#ledger.violations(),
        /** Pass it as `since` to read on. */
        nextSince: requests.at(-1)?.seq ?? since,
      },
    };
  }
}

function answerOf(action: (body: unknown) => unknown, bodyText: string): ApiAnswer {
  try {
    const body: unknown = bodyText === '' ? {} : JSON.parse(bodyText);
    const result = action(body);
    return { status: 200, body: typeof result === 'object' && result !== null ? result : {} };
  } catch (error) {
    if (error instanceof z.ZodError) return invalidRequest(z.prettifyError(error));
    if (error instanceof SyntaxError) return invalidRequest('The body is not JSON.');
    if (error instanceof ControlError) return apiError(409, error.code, error.message);
    throw error;
  }
}

function actionsOf(controls: Controls): ReadonlyMap<string, (body: unknown) => unknown> {
  const parsed =
    <Schema extends z.ZodType>(schema: Schema, run: (input: z.output<Schema>) => unknown) =>
    (body: unknown): unknown =>
      run(schema.parse(body));
  return new Map([
    ['add-interaction', parsed(schemas.addInteraction, (input) => controls.addInteraction(input))],
    ['end-interaction', parsed(schemas.endInteraction, (input) => controls.endInteraction(input))],
    ['sever', parsed(schemas.sever, (input) => controls.sever(input))],
    ['outside-leg', parsed(schemas.outsideLeg, (input) => controls.outsideLeg(input))],
    ['release-outside-leg', parsed(schemas.releaseOutsideLeg, (input) => controls.releaseOutsideLeg(input))],
    ['add-fault', parsed(schemas.addFault, (input) => controls.addFault(input))],
    ['remove-fault', parsed(schemas.removeFault, (input) => controls.removeFault(input))],
    ['add-leg-fault', parsed(schemas.addLegFault, (input) => controls.addLegFault(input))],
    ['set-event-faults', parsed(schemas.setEventFaults, (input) => controls.setEventFaults(input))],
    ['clear-faults', () => controls.clearFaults()],
    ['set-activation-delay', parsed(schemas.setActivationDelay, (input) => controls.setActivationDelay(input))],
    ['set-rate-limit', parsed(schemas.setRateLimit, (input) => controls.setRateLimit(input))],
    ['set-habits', parsed(schemas.setHabits, (input) => controls.setHabits(input))],
    ['set-token-lifetime', parsed(schemas.setTokenLifetime, (input) => controls.setTokenLifetime(input))],
    ['revoke-tokens', parsed(schemas.revokeTokens, (input) => controls.revokeTokens(input))],
    ['set-access', parsed(schemas.setAccess, (input) => controls.setAccess(input))],
    ['set-media-server-group', parsed(schemas.setMediaServerGroup, (input) => controls.setMediaServerGroup(input))],
    ['fail-over', parsed(schemas.failOver, (input) => controls.failOver(input))],
    ['set-media-conditions', parsed(schemas.setMediaConditions, (input) => controls.setMediaConditions(input))],
    ['set-leg-bitrate', parsed(schemas.setLegBitrate, (input) => controls.setLegBitrate(input))],
    ['set-webhook', parsed(schemas.setWebhook, (input) => controls.setWebhook(input))],
    ['disconnect-streams', () => controls.disconnectStreams()],
    ['publish-media-metrics', () => controls.publishMediaMetrics()],
    ['reset', () => controls.reset()],
  ]);
}
