import { proxySinks } from '@temporalio/workflow';
import type { Sink, Sinks } from '@temporalio/workflow';
import type { SessionAnnouncement } from '../domain/announcements.js';
import type { CommandNews } from '../domain/command-outcomes.js';

/** What the worker gives workflows to speak through. Not called on replay. */
export interface SessionSinks extends Sinks {
  sessions: SessionSink;
}

interface SessionSink extends Sink {
  announce(announcement: SessionAnnouncement): void;
  /** What has become of commands, for those who count. */
  told(news: CommandNews): void;
}

export const { sessions: announcements } = proxySinks<SessionSinks>();
