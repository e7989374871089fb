import { z } from 'zod';
import { auditEntry } from './audit-entry.js';
import { commandResource } from './commands.js';
import { sessionSnapshot } from './session.js';

/** What a session answers, as it is told to others; workflows know the types only. */

/** What the query `state` answers, and what a session that ended by itself returns. */
export const sessionReport = z.object({
  session: sessionSnapshot,
  commands: z.array(commandResource),
  /** The audit trail, oldest first. */
  history: z.array(auditEntry),
});
export type SessionReport = z.infer<typeof sessionReport>;

/** What the update `awaitCommand` answers. */
export const commandOutcome = z.object({ command: commandResource, session: sessionSnapshot });
export type CommandOutcome = z.infer<typeof commandOutcome>;
