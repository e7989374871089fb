import { createServer, type Server } from 'node:http';
import { expect, test } from '@jest/globals';
import { webhookKey, webhookSignature } from '../../simulator/webhook-signature.js';
import { Stage, until } from './platform-harness.js';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const PREVIOUS = 'whsec_cHJldmlvdXMtc2VjcmV0LW9mLXRoaXMtdGVzdA==';

interface Delivery {
  readonly id: string;
  readonly timestampSeconds: number;
  readonly signature: string;
  readonly body: string;
}

/** A receiver that answers with the given statuses in turn, and 204 after that. */
class Receiver {
  readonly deliveries: Delivery[] = [];
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
  }

  static async open(...statuses: number[]): Promise<Receiver> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const receiver = new Receiver(server, `http://127.0.0.1:${port}/hook`);
    server.on('request', (req, res) => {
      let body = '';
      req.on('data', (chunk: Buffer) => (body += chunk.toString()));
      req.on('end', () => {
        receiver.deliveries.push({
          id: String(req.headers['webhook-id']),
          timestampSeconds: Number(req.headers['webhook-timestamp']),
          signature: String(req.headers['webhook-signature']),
          body,
        });
        res.writeHead(statuses.shift() ?? 204, { location: '/elsewhere' }).end();
      });
    });
    return receiver;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

test('the signature is that of the Standard Webhooks known answer', () => {
  const message = {
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestampSeconds: 1614265330,
    body: '{"test": 2432232314}',
  };
  expect(webhookSignature([webhookKey(SECRET)], message)).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
});

test('a secret of another form is refused', () => {
  expect(() => webhookKey('MfKQ9r8G')).toThrow(expect.objectContaining({ code: 'webhook.secret.invalid' }));
});

test('each event is posted once, signed with every secret of a rotation', async () => {
  await using receiver = await Receiver.open();
  await using stage = await Stage.open({ webhook: { url: receiver.url, secret: SECRET, previousSecret: PREVIOUS } });
  const interactionId = stage.call();
  stage.simulator.controls.endInteraction({ interactionId });
  await until(() => receiver.deliveries.length === 1);
  const [delivery] = receiver.deliveries;
  expect(JSON.parse(delivery!.body)).toMatchObject({
    id: delivery!.id,
    topic: 'interaction.telephony.ended',
    data: { interactionId },
  });
  expect(delivery!.timestampSeconds).toBe(Math.floor(stage.clock.nowMs() / 1000));
  expect(delivery!.signature).toBe(webhookSignature([webhookKey(SECRET), webhookKey(PREVIOUS)], delivery!));
  expect(delivery!.signature.split(' ')).toHaveLength(2);
  stage.clock.advance(3_600_000);
  expect(receiver.deliveries).toHaveLength(1);
});

test('anything but 2xx is sent again later, under the same id and newly signed', async () => {
  await using receiver = await Receiver.open(500, 302);
  await using stage = await Stage.open();
  stage.simulator.controls.setWebhook({ url: receiver.url, secret: SECRET, retryBaseMs: 2_000 });
  stage.simulator.controls.endInteraction({ interactionId: stage.call() });
  // Time is let pass in steps, as the repetition is only planned once the answer has come in.
  for (const expected of [1, 2, 3]) {
    await until(() => {
      if (receiver.deliveries.length < expected) stage.clock.advance(500);
      return receiver.deliveries.length === expected;
    });
  }
  const { deliveries } = receiver;
  expect(new Set(deliveries.map(({ id, body }) => id + body)).size).toBe(1);
  for (const delivery of deliveries) expect(delivery.signature).toBe(webhookSignature([webhookKey(SECRET)], delivery));
  const [first, second, third] = deliveries.map(({ timestampSeconds }) => timestampSeconds);
  expect(second! - first!).toBeGreaterThanOrEqual(2);
  expect(third! - second!).toBeGreaterThanOrEqual(4);
});
