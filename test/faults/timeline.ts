import type { Evidence } from './evidence.js';

interface Line {
  readonly atMs: number;
  readonly text: string;
}

/** Everything that is known of an interaction, in its order, for whoever has to understand a failed run. */
export function timelineOf({ legs, requests, mutexes, sessions }: Evidence): string {
  const ownerOf = (monitorSessionId: string | null): string =>
    sessions.find(({ report }) => report?.session.monitorSessionId === monitorSessionId)?.played.name ??
    monitorSessionId ??
    'nobody';
  const lines: Line[] = [
    ...requests
      .filter(({ action, fault }) => action !== 'state' || fault !== null)
      .map(({ at, action, monitorSessionId, status, code, fault, executed, tookMs }) => ({
        atMs: Date.parse(at),
        text: `platform: ${action} of ${ownerOf(monitorSessionId)} → ${status} ${code ?? ''} ${fault ?? ''} ${executed ? '' : 'not executed'} (${tookMs ?? '?'} ms)`,
      })),
    ...legs.flatMap(({ monitorSessionId, modes, endedAt, endedBy }) => [
      ...modes.map(({ mode, at }) => ({
        atMs: Date.parse(at),
        text: `    leg: ${ownerOf(monitorSessionId)} is ${mode} (${monitorSessionId})`,
      })),
      ...(endedAt === null
        ? []
        : [{ atMs: Date.parse(endedAt), text: `    leg: ${ownerOf(monitorSessionId)} ends by ${endedBy ?? '?'}` }]),
    ]),
    ...mutexes.flatMap(({ messages, firstRunId, startedAtMs, closedAtMs }) => {
      const name = `mutex ${firstRunId.slice(-4)}`;
      return [
        { atMs: startedAtMs, text: `${name} starts` },
        ...messages.map((message) => ({
          atMs: message.atMs,
          text: `${name} ← ${message.name} ${JSON.stringify(message.content)}`,
        })),
        ...(closedAtMs === undefined ? [] : [{ atMs: closedAtMs, text: `${name} closes` }]),
      ];
    }),
    ...sessions.flatMap(({ played: { name }, chain, report }) => [
      { atMs: chain.startedAtMs, text: `${name} starts` },
      ...chain.messages.map(({ name: message, atMs, content }) => ({
        atMs,
        text: `${name} ← ${message} ${JSON.stringify(content ?? {})}`,
      })),
      ...(report?.history ?? []).map(({ at, ...entry }) => ({
        atMs: Date.parse(at),
        text: `${name}: ${JSON.stringify(entry)}`,
      })),
      ...(chain.closedAtMs === undefined ? [] : [{ atMs: chain.closedAtMs, text: `${name} closes` }]),
    ]),
  ];
  return lines
    .sort((one, other) => one.atMs - other.atMs)
    .map(({ atMs, text }) => `${new Date(atMs).toISOString().slice(11, 23)} ${text}`)
    .join('\n');
}
