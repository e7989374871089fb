import type { SessionSnapshot } from '../../domain/session.js';

/** A session that listens, but for what is said otherwise. */
export function snapshot(over: Partial<SessionSnapshot> = {}): SessionSnapshot {
  return {
    sessionId: 'session~i~anna',
    runId: 'run',
    version: 1,
    interactionId: 'i',
    supervisorId: 'anna',
    state: 'SILENT',
    monitorSessionId: 'ms-own',
    bargeStatus: 'inactive',
    waiting: null,
    ending: null,
    media: null,
    unansweredSince: null,
    startedAt: '2026-11-01T00:00:00.000Z',
    endedAt: null,
    endReason: null,
    ...over,
  };
}
