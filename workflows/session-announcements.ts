import { proxySinks } from '@temporalio/workflow';
import type { Sink, Sinks } from '@temporalio/workflow';
import type { SessionAnnouncement } from '../domain/announcements.js';

/** What the worker gives workflows to speak through. Not called on replay. */
export interface SessionSinks extends Sinks {
  sessions: SessionSink;
}

interface SessionSink extends Sink {
  announce(announcement: SessionAnnouncement): void;
}

export const { sessions: announcements } = proxySinks<SessionSinks>();
