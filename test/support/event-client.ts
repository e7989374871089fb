import { once } from 'node:events';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { changeMessage, heartbeatMessage, samplesMessage, snapshotMessage } from '../../domain/notifications.js';
import type { ChangeMessage, ChangeType, MediaSample } from '../../domain/notifications.js';
import { until } from './until.js';

const message = z.union([snapshotMessage, heartbeatMessage, changeMessage]);
type Message = z.infer<typeof message>;

/** Listens at `GET /v1/events`, and keeps all that it is told. */
export class EventClient implements AsyncDisposable {
  readonly messages: Message[] = [];
  /** Message by message; only who asks for them is told any. */
  readonly samples: MediaSample[][] = [];
  readonly socket: WebSocket;
  closed: { readonly code: number; readonly reason: string } | undefined;

  constructor(
    url: string,
    query: Readonly<Record<string, string>> = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    this.socket = new WebSocket(`${url.replace(/^http/, 'ws')}/v1/events?${new URLSearchParams(query).toString()}`, {
      headers,
    });
    this.socket.on('message', (data: Buffer) => {
      const told: unknown = JSON.parse(data.toString());
      const samples = samplesMessage.safeParse(told);
      if (samples.success) this.samples.push(samples.data.samples);
      else this.messages.push(message.parse(told));
    });
    this.socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
    });
    this.socket.on('error', () => undefined);
  }

  /** The snapshot that it began with, or came to begin anew with. */
  async snapshot(): Promise<z.infer<typeof snapshotMessage>> {
    return until('a snapshot', () => this.messages.filter((one) => one.type === 'snapshot').at(-1));
  }

  changes(type?: ChangeType): ChangeMessage[] {
    return this.messages.flatMap((one) =>
      one.type === 'snapshot' || one.type === 'heartbeat' || (type !== undefined && one.type !== type) ? [] : [one],
    );
  }

  /** The first change of a type, of one session. */
  async change(type: ChangeType, sessionId: string): Promise<ChangeMessage> {
    return until(`${type} of ${sessionId}`, () => this.changes(type).find((one) => one.sessionId === sessionId));
  }

  /** What `after` takes, to go on from here. */
  get place(): string {
    const last = this.messages.at(-1);
    if (last === undefined) throw new Error('nothing has been told yet');
    return `${last.epoch}:${last.seq}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) return;
    const closed = once(this.socket, 'close');
    this.socket.terminate();
    await closed;
  }
}

/** What a server answers to somebody who may not listen: status and code. */
export async function refusal(
  url: string,
  query: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number | undefined; readonly body: unknown }> {
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/v1/events?${new URLSearchParams(query).toString()}`, {
    headers,
  });
  return new Promise((resolve, reject) => {
    socket.on('open', () => reject(new Error('it may listen')));
    socket.on('error', () => undefined);
    socket.on('unexpected-response', (_request, response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode, body: JSON.parse(text) }));
    });
  });
}
