import { until as untilOrFail } from '../support/until.js';
import { WebSocket } from 'ws';
import { z } from 'zod';
import type { SimulatorOptions } from '../../simulator/simulator-options.js';
import { startSimulator, type Simulator } from '../../simulator/simulator.js';
import { ManualClock } from './manual-clock.js';

/** Everything that any answer of the platform may carry. */
const bodySchema = z.looseObject({
  code: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().optional(),
  monitorSessionId: z.string().optional(),
  conflictingMonitorSessionId: z.string().optional(),
  status: z.string().optional(),
  mode: z.string().optional(),
  bargeStatus: z.string().optional(),
  bargeMonitorSessionId: z.string().nullish(),
  monitors: z
    .array(z.looseObject({ monitorSessionId: z.string(), status: z.string(), mode: z.string(), clientId: z.string() }))
    .optional(),
  entities: z.array(z.looseObject({ id: z.string() })).optional(),
  nextCursor: z.string().nullish(),
  packetLoss: z.number().optional(),
  roundTripMs: z.number().optional(),
});

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: z.output<typeof bodySchema>;
}

const eventSchema = z.object({ id: z.string(), topic: z.string(), timestamp: z.string(), data: z.looseObject({}) });
export type WireEvent = z.output<typeof eventSchema>;

export const OUTSIDE = { clientId: 'outside', clientSecret: 'outside-secret' };

/** A client of one simulator, as plain HTTP. */
export class PlatformClient {
  readonly baseUrl: string;
  readonly credentials: { clientId: string; clientSecret: string };
  token = '';

  constructor(baseUrl: string, credentials = { clientId: 'earshot', clientSecret: 'earshot-dev-secret' }) {
    this.baseUrl = baseUrl;
    this.credentials = credentials;
  }

  async call(
    method: string,
    path: string,
    init: { body?: string | URLSearchParams; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const headers = new Headers(init.headers);
    if (this.token !== '') headers.set('authorization', `Bearer ${this.token}`);
    if (typeof init.body === 'string') headers.set('content-type', 'application/json');
    const response = await fetch(`${this.baseUrl}${path}`, {
      method,
      headers,
      ...(init.body === undefined ? {} : { body: init.body }),
    });
    return { status: response.status, headers: response.headers, body: bodySchema.parse(await response.json()) };
  }

  get(path: string): Promise<Answer> {
    return this.call('GET', path);
  }

  post(path: string, body: object): Promise<Answer> {
    return this.call('POST', path, { body: JSON.stringify(body) });
  }

  async signIn(): Promise<Answer> {
    this.token = '';
    const { clientId, clientSecret } = this.credentials;
    const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret };
    const answer = await this.call('POST', '/api/v2/auth/token', { body: new URLSearchParams(form) });
    this.token = answer.body.access_token ?? '';
    return answer;
  }

  command(action: string, interactionId: string, more: object = {}): Promise<Answer> {
    return this.post('/api/v2/interactions/telephony/monitor', { action, interactionId, ...more });
  }

  state(interactionId: string): Promise<Answer> {
    return this.get(`/api/v2/interactions/${interactionId}/telephony/monitor`);
  }
}

/** A simulator whose time stands still, with a signed-in client; nothing happens but what a test does. */
export class Stage {
  readonly simulator: Simulator;
  readonly clock: ManualClock;
  readonly client: PlatformClient;

  private constructor(simulator: Simulator, clock: ManualClock) {
    this.simulator = simulator;
    this.clock = clock;
    this.client = new PlatformClient(simulator.baseUrl);
  }

  static async open(options: SimulatorOptions = {}): Promise<Stage> {
    const clock = new ManualClock();
    const simulator = await startSimulator({
      port: 0,
      population: null,
      mediaMetricsIntervalSeconds: 0,
      activationDelayMs: { min: 500, max: 500 },
      otherClients: [OUTSIDE],
      clock,
      ...options,
    });
    const stage = new Stage(simulator, clock);
    await stage.client.signIn();
    return stage;
  }

  /** A connected interaction. */
  call(id?: string): string {
    return this.simulator.controls.addInteraction(id === undefined ? {} : { id }).interactionId;
  }

  /** An active leg. */
  async leg(interactionId: string, client = this.client): Promise<string> {
    const { body } = await client.command('start', interactionId);
    this.clock.advance(500);
    return body.monitorSessionId ?? '';
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.simulator.close();
  }
}

/** A consumer of the event stream. */
export class StreamConsumer {
  readonly events: WireEvent[] = [];
  readonly socket: WebSocket;
  pings = 0;
  closeCode: number | null = null;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer) => this.events.push(eventSchema.parse(JSON.parse(data.toString()))));
    socket.on('ping', () => (this.pings += 1));
    socket.on('error', () => undefined);
    socket.on('close', (code) => (this.closeCode = code));
  }

  static async open(simulator: Simulator, token: string): Promise<StreamConsumer> {
    const consumer = new StreamConsumer(
      new WebSocket(simulator.eventsUrl, { headers: { authorization: `Bearer ${token}` } }),
    );
    await new Promise<void>((resolve, reject) => {
      consumer.socket.once('open', resolve);
      consumer.socket.once('error', reject);
    });
    return consumer;
  }

  /** `status` of each monitor event so far. */
  statuses(): unknown[] {
    return this.events.filter(({ topic }) => topic.endsWith('.monitor')).map(({ data }) => data['status']);
  }
}

/** Waits until `condition` holds; fails after 30 s. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  await untilOrFail(condition.toString(), condition, 30_000);
}
