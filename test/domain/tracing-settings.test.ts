import { expect, test } from '@jest/globals';
import { SettingsError } from '../../domain/settings.js';
import { tracingSettings } from '../../domain/tracing-settings.js';

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };

test.each([
  ['nothing', {}],
  ['an empty endpoint', { OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }],
  ['a name and a sampler', { OTEL_SERVICE_NAME: 'desk', OTEL_TRACES_SAMPLER: 'always_on' }],
  ['an endpoint, and that the SDK is disabled', { ...endpoint, OTEL_SDK_DISABLED: 'True' }],
  ['an endpoint, and no exporter of traces', { ...endpoint, OTEL_TRACES_EXPORTER: 'none' }],
  ['what would be wrong, were it on', { OTEL_TRACES_SAMPLER: 'sometimes', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }],
])('%s: no traces', (_what, env) => {
  expect(tracingSettings(env)).toBeUndefined();
});

test('an endpoint of either name switches traces on, in the protocol that is the specification’s default', () => {
  expect(tracingSettings(endpoint)).toEqual({ protocol: 'http/protobuf' });
  expect(tracingSettings({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://otel.example.com/v1/traces' })).toEqual({
    protocol: 'http/protobuf',
  });
  expect(tracingSettings({ ...endpoint, OTEL_SDK_DISABLED: 'yes' })).toBeDefined();
});

test('the protocol of traces goes before that of everything', () => {
  const env = { ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' };
  expect(tracingSettings({ ...env, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' })).toEqual({
    protocol: 'http/json',
  });
});

test('every fault is named, with the way out and without the value', () => {
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'collector-key-0123456789',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_TRACES_SAMPLER: 'sometimes',
    OTEL_TRACES_SAMPLER_ARG: '10%',
  };
  const fault = (() => {
    try {
      return tracingSettings(env);
    } catch (error) {
      return error;
    }
  })();
  expect(fault).toBeInstanceOf(SettingsError);
  const { faults, message } = fault instanceof SettingsError ? fault : new SettingsError([]);
  expect(faults.map(({ name }) => name).toSorted()).toEqual(Object.keys(env).toSorted());
  expect(message).toContain('http/protobuf, http/json');
  expect(message).toContain('OTEL_SDK_DISABLED=true');
  expect(message).not.toContain('collector-key');
});
