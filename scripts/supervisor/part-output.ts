import { z } from 'zod';
import type { LogFile } from './log-file.js';

const WARN = 40;
const ERROR = 50;
const LAST_LINES = 12;
/** At most this many lines of one part reach the terminal in a window; the log has them all. */
const ECHO_LIMIT = 5;
const ECHO_WINDOW_MS = 5_000;
/** The same line again is shown once in so long: an outage has the same to say for every session. */
const REPEAT_MS = 60_000;

/** Whatever else stands there (Temporal's SDK has words of its own in `err`), a line with a level is one of a log. */
const logLine = z.object({
  level: z.number(),
  msg: z.string().default(''),
  err: z
    .object({ message: z.string().default('') })
    .optional()
    .catch(undefined),
  sessionId: z.string().optional().catch(undefined),
  interactionId: z.string().optional().catch(undefined),
});

/**
 * What one part prints. JSON lines (pino's) go to its log file, and warnings and errors among them are also shown, one
 * short line each. Plain lines on stdout are meant for the person who started it: they are shown and *not* kept, because
 * the API prints its generated key that way. The last plain lines on stderr are remembered, because there a dying program
 * says why. A part that isn't ours (no `show`) goes to its log file as it is.
 */
export class PartOutput {
  readonly #log: LogFile;
  readonly #show: ((line: string) => void) | undefined;
  #lastWords: string[] = [];
  #windowStart = 0;
  #echoed = 0;
  #held = 0;
  readonly #lastShown = new Map<string, number>();

  constructor(log: LogFile, show?: (line: string) => void) {
    this.#log = log;
    this.#show = show;
  }

  /** Takes one line without its line end. */
  take(line: string, stream: 'stdout' | 'stderr'): void {
    const entry = parseEntry(line);
    if (entry === undefined && stream === 'stdout' && this.#show !== undefined) {
      if (line.trim() !== '') this.#show(line);
      return;
    }
    this.#log.append(`${line}\n`);
    if (entry === undefined) {
      if (stream === 'stderr' && line.trim() !== '') this.#remember(line);
      return;
    }
    if (entry.level < WARN) return;
    const text = [entry.msg, entry.err?.message]
      .filter((part) => part !== undefined && part !== '')
      .join(': ')
      .replaceAll(/\s+/g, ' ');
    if (entry.level >= ERROR) this.#remember(text);
    const about = entry.sessionId ?? entry.interactionId;
    this.#echo(`${entry.level >= ERROR ? 'error' : 'warning'}: ${text}`, about === undefined ? '' : ` (${about})`);
  }

  /** The last lines that may say why the part ended, oldest first; asking clears them. */
  lastWords(): readonly string[] {
    const words = this.#lastWords;
    this.#lastWords = [];
    return words;
  }

  #remember(line: string): void {
    this.#lastWords = [...this.#lastWords, line].slice(-LAST_LINES);
  }

  /** @param about what it is about: the same of another session is the same again */
  #echo(line: string, about: string): void {
    if (this.#show === undefined) return;
    const now = performance.now();
    if (now - (this.#lastShown.get(line) ?? -REPEAT_MS) < REPEAT_MS) return;
    this.#lastShown.set(line, now);
    for (const [oldest, at] of this.#lastShown) if (now - at >= REPEAT_MS) this.#lastShown.delete(oldest);
    if (now - this.#windowStart > ECHO_WINDOW_MS) {
      if (this.#held > 0) this.#show(`… and ${this.#held} more such lines in ${this.#log.path}`);
      this.#windowStart = now;
      this.#echoed = 0;
      this.#held = 0;
    }
    if (this.#echoed >= ECHO_LIMIT) {
      this.#held += 1;
      return;
    }
    this.#echoed += 1;
    this.#show(line + about);
  }
}

function parseEntry(line: string): z.infer<typeof logLine> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return logLine.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
