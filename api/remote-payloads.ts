import type { Payload, PayloadCodec } from '@temporalio/common';
import type { Request } from 'express';
import { z } from 'zod';
import { Problem } from './problem.js';
import { parseBody } from './request-input.js';
import type { Handler } from './routes.js';

/** Where Temporal's UI and command line find the codec. */
export const CODEC_PATH = '/v1/codec';

/** Largest body, bytes: Temporal takes payloads of 2 MiB, and base64 makes four of three bytes. */
export const CODEC_BODY_LIMIT = 4 * 1_024 * 1_024;

/** More than an event of a history has. */
const MOST_PAYLOADS = 1_000;

const base64 = z
  .string()
  .regex(/^[A-Za-z0-9+/_-]*={0,2}$/, 'must be base64')
  .describe('Base64.');

/**
 * What a codec server takes and answers: `Payloads` of Temporal's API, as JSON of protobuf
 * (github.com/temporalio/samples-go, codec-server/protocol.md). Fields that Temporal may add one day are no mistake of
 * whoever calls, and are passed over.
 */
export const remotePayloads = z.object({
  payloads: z
    .array(z.object({ metadata: z.record(z.string(), base64).default({}), data: base64.default('') }))
    .max(MOST_PAYLOADS),
});

type RemotePayload = z.infer<typeof remotePayloads>['payloads'][number];

/** `POST /v1/codec/decode`. Of what it reads nothing is logged. */
export function decodePayloads(codec: PayloadCodec | undefined): Handler {
  return async (request, response) => {
    const payloads = await needed(codec).decode(payloadsOf(request));
    response.json({ payloads: payloads.map(toRemote) });
  };
}

/** `POST /v1/codec/encode`. */
export function encodePayloads(codec: PayloadCodec | undefined): Handler {
  return async (request, response) => {
    const payloads = await needed(codec).encode(payloadsOf(request));
    response.json({ payloads: payloads.map(toRemote) });
  };
}

function needed(codec: PayloadCodec | undefined): PayloadCodec {
  if (codec === undefined) throw new Problem('not.found', 'Nothing is encrypted here: PAYLOAD_KEYS_FILE is not set.');
  return codec;
}

function payloadsOf(request: Request): Payload[] {
  return parseBody(remotePayloads, request).payloads.map(({ metadata, data }: RemotePayload) => ({
    metadata: Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, Buffer.from(value, 'base64')])),
    data: Buffer.from(data, 'base64'),
  }));
}

function toRemote({ metadata, data }: Payload): RemotePayload {
  return {
    metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([name, value]) => [name, inBase64(value)])),
    data: inBase64(data ?? new Uint8Array()),
  };
}

function inBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
