import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogFile } from '../../scripts/supervisor/log-file.js';
import { PartOutput } from '../../scripts/supervisor/part-output.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'earshot-log-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a part’s output', () => {
  it('is shown from warnings up, with the error’s own message, and at most five lines in five seconds', () => {
    const shown: string[] = [];
    const output = new PartOutput(new LogFile(join(folder, 'a.log')), (line) => shown.push(line));
    output.take('{"level":30,"msg":"fine"}', 'stdout');
    output.take('{"level":50,"msg":"lost","err":{"message":"ECONNRESET"}}', 'stdout');
    for (let line = 0; line < 20; line += 1) output.take(`{"level":40,"msg":"number ${line}"}`, 'stdout');
    expect(shown).toEqual(['error: lost: ECONNRESET', ...[0, 1, 2, 3].map((line) => `warning: number ${line}`)]);
  });

  it('says the same thing once, and in one line', () => {
    const shown: string[] = [];
    const output = new PartOutput(new LogFile(join(folder, 'a.log')), (line) => shown.push(line));
    for (let line = 0; line < 3; line += 1) output.take('{"level":40,"msg":"one\\n two"}', 'stdout');
    expect(shown).toEqual(['warning: one two']);
  });

  it('names the session that a line is about, and shows the same of another one once in a while only', () => {
    const shown: string[] = [];
    const output = new PartOutput(new LogFile(join(folder, 'a.log')), (line) => shown.push(line));
    for (const sessionId of ['session~i~anna', 'session~i~ben']) {
      output.take(JSON.stringify({ level: 40, msg: 'lost', sessionId, interactionId: 'i' }), 'stdout');
    }
    output.take('{"level":40,"msg":"found","interactionId":"i"}', 'stdout');
    expect(shown).toEqual(['warning: lost (session~i~anna)', 'warning: found (i)']);
  });

  it('is a line of a log whatever else stands in it', () => {
    const shown: string[] = [];
    const output = new PartOutput(new LogFile(join(folder, 'a.log')), (line) => shown.push(line));
    output.take('{"level":40,"msg":"Task not found","err":"Status { code: NotFound }","sessionId":7}', 'stdout');
    expect(shown).toEqual(['warning: Task not found']);
  });

  it('of a program that is not ours is kept whatever it is, and not shown', () => {
    const log = new LogFile(join(folder, 'a.log'));
    const output = new PartOutput(log);
    for (const line of ['{"level":"WARN","msg":"x"}', '{broken', 'plain']) output.take(line, 'stdout');
    expect(readFileSync(log.path, 'utf8')).toBe('{"level":"WARN","msg":"x"}\n{broken\nplain\n');
  });

  it('keeps the last words of stderr and gives them out once', () => {
    const output = new PartOutput(new LogFile(join(folder, 'a.log')));
    for (let line = 0; line < 40; line += 1) output.take(`line ${line}`, 'stderr');
    output.take('not an error', 'stdout');
    expect(output.lastWords().at(-1)).toBe('line 39');
    expect(output.lastWords()).toEqual([]);
  });
});

describe('a log file', () => {
  it('is appended to, and moved aside once it is full', () => {
    const path = join(folder, 'logs', 'a.log');
    new LogFile(path, 20).append('from before\n');
    const log = new LogFile(path, 20);
    log.append('the second\n');
    expect(readFileSync(`${path}.1`, 'utf8')).toBe('from before\nthe second\n');
    log.append('third\n');
    expect(readFileSync(path, 'utf8')).toBe('third\n');
    log.close();
    log.append('after the end\n');
    expect(readFileSync(path, 'utf8')).toBe('third\n');
    expect(existsSync(`${path}.2`)).toBe(false);
  });
});
