import { expect, test } from '@jest/globals';
import { partEnvironment } from '../../scripts/part-environment.js';

test('where traces go, and the key to it, is for API and worker alone', () => {
  const env = {
    PATH: '/bin',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
    OTEL_EXPORTER_OTLP_HEADERS: 'api-key=secret',
  };
  for (const part of ['api', 'worker'] as const) expect(partEnvironment(part, env, {})).toEqual(env);
  for (const part of ['temporal', 'simulator'] as const)
    expect(partEnvironment(part, env, {})).toEqual({ PATH: '/bin' });
});
