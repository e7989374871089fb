import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { encodeIdPart, externalId, parseSessionWorkflowId, sessionWorkflowId } from '../../domain/identifiers.js';

const anyId = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 128 })
  .filter((id) => externalId.safeParse(id).success);

test('characters of the safe set stay as they are, all others are percent-encoded', () => {
  expect(encodeIdPart('AZaz09._:@-')).toBe('AZaz09._:@-');
  expect(encodeIdPart("a~b c%/é!*'()")).toBe('a%7Eb%20c%25%2F%C3%A9%21%2A%27%28%29');
});

test('a session id is told apart from every other and gives its ids back', () => {
  fc.assert(
    fc.property(anyId, anyId, anyId, anyId, (interactionId, supervisorId, otherInteraction, otherSupervisor) => {
      const sessionId = sessionWorkflowId(interactionId, supervisorId);
      expect(sessionId).toMatch(/^session~[A-Za-z0-9._:@%-]+~[A-Za-z0-9._:@%-]+$/);
      expect(sessionId.length).toBeLessThanOrEqual(1_000);
      expect(parseSessionWorkflowId(sessionId)).toEqual({ interactionId, supervisorId });
      const same = interactionId === otherInteraction && supervisorId === otherSupervisor;
      expect(sessionWorkflowId(otherInteraction, otherSupervisor) === sessionId).toBe(same);
    }),
  );
});

test.each([
  'session~a',
  'session~a~b~c',
  'mutex~a~b',
  'session~~b',
  'session~a%2~b',
  'session~a%61~b', // spelled otherwise than we do: would be a second name for the same session
  'session~a%7eb~c',
  'session~%FF~b',
])('%s is no session id', (workflowId) => {
  expect(parseSessionWorkflowId(workflowId)).toBeUndefined();
});

test.each([
  ['', 'empty'],
  ['x'.repeat(129), 'too long'],
  ['a\u0000b', 'control character'],
  ['\ud800', 'lone surrogate'],
  ['語'.repeat(128), 'too long once encoded'],
])('refuses %j (%s)', (id) => {
  expect(externalId.safeParse(id).success).toBe(false);
});
