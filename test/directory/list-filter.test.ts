import { expect, test } from '@jest/globals';
import { runningSessionsHeard } from '../../directory/list-filter.js';

test('a leg is heard in every mode', () => {
  expect(runningSessionsHeard()).toContain("SessionState IN ('SILENT', 'WHISPER', 'BARGE')");
});
