import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { figure } from '../support/figures.js';
import { ProductClient } from '../support/product-client.js';
import { Product, START_LIMIT_MS } from '../support/product.js';
import { until } from '../support/until.js';

const WAIT_SECONDS = 120;
const RECOVERY_LIMIT_MS = 60_000;
const TEST_LIMIT_MS = 150_000;

const folder = mkdtempSync(join(tmpdir(), 'earshot-channel-'));
const env = { SIMULATOR_CONTROL: 'on', BARGE_WAIT_SECONDS: String(WAIT_SECONDS) };
let product: Product;
let client: ProductClient;

async function startProduct(): Promise<void> {
  product = new Product(folder, env);
  client = new ProductClient(product);
  await product.ready();
  await client.control('set-rate-limit', { limit: 100_000, windowSeconds: 10, headers: true });
  await client.control('set-activation-delay', { min: 0, max: 0 });
}

beforeAll(startProduct, START_LIMIT_MS);

afterAll(() => {
  product.killAll();
  if (process.env['EARSHOT_KEEP'] === undefined) rmSync(folder, { recursive: true, force: true });
});

/** One supervisor and what they asked for. */
interface Speaker {
  readonly sessionId: string;
  readonly monitorSessionId: string | null;
  /** Of their barge. */
  readonly commandId: string;
}

/** An interaction whose channel the first speaker has; the others wait for it, next one first. */
interface Line {
  readonly interactionId: string;
  readonly speakers: readonly Speaker[];
}

async function lineOf(...supervisors: readonly string[]): Promise<Line> {
  const interactionId = await client.connected();
  const speakers: Speaker[] = [];
  for (const supervisorId of supervisors) {
    const { sessionId } = await client.create(interactionId, supervisorId);
    await until('active', async () => (await client.sessionOf(sessionId)).state === 'SILENT');
    const commandId = randomUUID();
    await client.send(sessionId, 'barge', commandId);
    const { monitorSessionId } = await client.sessionOf(sessionId);
    if (speakers.length === 0) await applied({ sessionId, commandId });
    else await inLine({ sessionId, commandId }, speakers.length);
    speakers.push({ sessionId, monitorSessionId, commandId });
  }
  return { interactionId, speakers };
}

/** Waits until session and command both say so; then when the wait is over. */
async function inLine({ sessionId, commandId }: Omit<Speaker, 'monitorSessionId'>, position: number): Promise<string> {
  return until(
    `${sessionId} is at ${position}`,
    async () => {
      const { waiting } = await client.sessionOf(sessionId);
      if (waiting?.position !== position) return false;
      const { expiresAt } = waiting;
      expect(waiting).toEqual({ mode: 'barge', position, expiresAt });
      const command = await client.commandOf(sessionId, commandId);
      return command.position === position && command.expiresAt === expiresAt && command.status === 'queued'
        ? expiresAt
        : undefined;
    },
    RECOVERY_LIMIT_MS,
  );
}

async function applied({ sessionId, commandId }: Omit<Speaker, 'monitorSessionId'>): Promise<void> {
  expect(await client.outcome(sessionId, commandId)).toEqual({ commandId, action: 'barge', status: 'applied' });
}

/** Everybody behind the first is in line, in this order; when their waits are over. */
async function expiries({ speakers }: Line): Promise<string[]> {
  return Promise.all(speakers.slice(1).map((speaker, index) => inLine(speaker, index + 1)));
}

function at(speakers: readonly Speaker[], index: number): Speaker {
  const speaker = speakers[index];
  if (speaker === undefined) throw new Error(`Expected a speaker ${index}, got ${speakers.length} speakers`);
  return speaker;
}

/** The channel goes from the first to the last: whoever has it falls silent, and the next one speaks. */
async function passOn(speakers: readonly Speaker[]): Promise<void> {
  for (const [index, { sessionId }] of speakers.entries()) {
    expect(await client.command(sessionId, 'silent')).toBe('applied');
    const next = speakers[index + 1];
    if (next !== undefined) await applied(next);
  }
}

async function stopAll(...lines: readonly Line[]): Promise<void> {
  await Promise.all(
    lines
      .flatMap(({ speakers }) => speakers)
      .map(async ({ sessionId }) => {
        expect(await client.command(sessionId, 'stop')).toBe('applied');
        await until('the end', async () => (await client.sessionOf(sessionId)).endReason === 'stopped');
      }),
  );
}

/** Each had one leg that spoke once, in the order of the line and one at a time, and no leg lives. */
async function expectFairLine({ interactionId, speakers }: Line): Promise<void> {
  const { legs, violations } = await client.ledger(interactionId);
  expect(violations).toEqual([]);
  const inOrder = speakers.map(({ monitorSessionId }) => monitorSessionId);
  expect(legs.map(({ monitorSessionId }) => monitorSessionId).toSorted()).toEqual(inOrder.toSorted());
  for (const { endedBy, modes } of legs) {
    expect(endedBy).toBe('stop');
    expect(modes.map(({ mode }) => mode)).toEqual(['silent', 'barge', 'silent']);
  }
  const turns = legs.flatMap(({ monitorSessionId, modes: [, spoke, fellSilent] }) =>
    spoke === undefined || fellSilent === undefined ? [] : [{ monitorSessionId, from: spoke.at, to: fellSilent.at }],
  );
  turns.sort((one, other) => one.from.localeCompare(other.from) || one.to.localeCompare(other.to));
  expect(turns.map(({ monitorSessionId }) => monitorSessionId)).toEqual(inOrder);
  for (const [index, { to }] of turns.entries()) {
    const next = turns[index + 1];
    if (next !== undefined) expect(to <= next.from).toBe(true);
  }
}

/** The simulator has seen all of the line's life: no session asked for a second leg, and none to speak in vain. */
async function expectNothingInVain({ interactionId, speakers }: Line): Promise<void> {
  const { requests } = await client.ledger(interactionId);
  expect(requests.filter(({ action }) => action === 'start')).toHaveLength(speakers.length);
  expect(requests.filter(({ action, status }) => action === 'barge' && status === 409)).toEqual([]);
}

test.each([
  ['the worker', 'worker'],
  ['Temporal', 'temporal'],
] as const)(
  'kill -9 of %s: who waits keeps place and time, hand-overs under way go through, and all speak in turn',
  async (_, victim) => {
    const [quiet, ...lines] = await Promise.all([
      lineOf('anna', 'ben', 'cora', 'dora'),
      ...Array.from({ length: 3 }, () => lineOf('anna', 'ben', 'cora')),
    ]);
    const before = await expiries(quiet);
    for (const expiresAt of before) expect(Date.parse(expiresAt) - Date.now()).toBeLessThanOrEqual(WAIT_SECONDS * 1000);
    // One after the other: the kill finds each hand-over at another moment, the last one just accepted.
    const commandId = randomUUID();
    for (const { speakers } of lines) await client.send(at(speakers, 0).sessionId, 'silent', commandId);
    await product.kill(victim);
    const killedAt = performance.now();
    const note = (what: string): void =>
      figure(`${victim} killed: ${what} after, ms`, Math.round(performance.now() - killedAt));

    await Promise.all([
      expiries(quiet).then((after) => {
        note('places and times are answered');
        expect(after).toEqual(before);
      }),
      ...lines.map(async ({ speakers }) => {
        expect((await client.outcome(at(speakers, 0).sessionId, commandId)).status).toBe('applied');
        await applied(at(speakers, 1));
        note('a hand-over is through');
        await inLine(at(speakers, 2), 1);
        await passOn(speakers.slice(1));
      }),
    ]);
    await passOn(quiet.speakers);
    await stopAll(quiet, ...lines);
    for (const line of [quiet, ...lines]) {
      await expectFairLine(line);
      await expectNothingInVain(line);
    }
  },
  TEST_LIMIT_MS,
);

test(
  'Ctrl-C and the next start: who waited waits on, for the rest of the time, and speaks in turn',
  async () => {
    const line = await lineOf('anna', 'ben', 'cora');
    const before = await expiries(line);
    expect(await product.stop()).toBe(0);
    await startProduct();
    expect(await expiries(line)).toEqual(before);
    await passOn(line.speakers);
    await stopAll(line);
    await expectFairLine(line);
  },
  START_LIMIT_MS,
);
