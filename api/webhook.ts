import express from 'express';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import type { EventRouter } from '../directory/event-router.js';
import { fieldFaults } from '../domain/input-faults.js';
import { parseCallEvent } from '../domain/platform-events.js';
import type { CallEvent } from '../domain/platform-events.js';
import { invalidRequest, Problem } from './problem.js';
import { contextOf } from './request-context.js';
import type { Handler } from './routes.js';
import { signatureFault } from './webhook-signature.js';
import type { SignatureFault } from './webhook-signature.js';

/** Largest event taken, bytes; the platform's are some hundred. */
const EVENT_LIMIT = 64 * 1_024;

/** Reads a body as it is: the signature is over its bytes. */
export const readRaw: RequestHandler = express.raw({ limit: EVENT_LIMIT, inflate: false, type: () => true });

const REFUSALS: Readonly<Record<SignatureFault, string>> = {
  missing: 'The headers webhook-id, webhook-timestamp and webhook-signature are required (Standard Webhooks).',
  untimely: 'The webhook-timestamp is not within 5 minutes of the time here: check both clocks.',
  wrong: 'No signature fits: check that PLATFORM_WEBHOOK_SECRET is the secret that the platform signs with.',
};

/**
 * `POST /v1/webhooks/platform`: an event of the platform, signed. `204` once all that it causes is durable; anything else
 * makes the platform send it again. Events that concern nobody, or of a later kind, are accepted too.
 */
export function receiveEvent(router: EventRouter, keys: readonly Buffer[]): Handler {
  return async (request, response) => {
    if (keys.length === 0) {
      throw new Problem('not.found', 'There is no webhook here: PLATFORM_WEBHOOK_SECRET is not set.');
    }
    const context = contextOf(request);
    context.isForOperator = true;
    const body: unknown = request.body;
    const delivery = {
      id: request.get('webhook-id'),
      timestamp: request.get('webhook-timestamp'),
      signature: request.get('webhook-signature'),
      body: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
    };
    const fault = signatureFault(delivery, keys, Date.now());
    if (fault !== undefined) throw new Problem('webhook.signature.invalid', REFUSALS[fault]);

    const event = eventIn(delivery.body);
    if (event !== undefined) {
      context.interactionId = event.data.interactionId;
      context.event = event.topic;
      await router.route(event);
    }
    response.status(204).end();
  };
}

/** `undefined`: of a topic that means nothing here; how legs sound is heard on the stream, and asked for. @throws {Problem} `400` for one that is not as documented. */
function eventIn(body: Buffer): CallEvent | undefined {
  let content: unknown;
  try {
    content = JSON.parse(body.toString('utf8'));
  } catch {
    throw invalidRequest([{ field: 'body', message: 'is not JSON' }]);
  }
  try {
    return parseCallEvent(content);
  } catch (error) {
    if (error instanceof z.ZodError) throw invalidRequest(fieldFaults(error, 'body'));
    throw error;
  }
}
