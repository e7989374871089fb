/**
 * ESM throughout: TypeScript is stripped by swc (types are checked by `tsc`), `./x.js` specifiers find `./x.ts`.
 * Suites share 2 cores with a Temporal server each, hence the worker count and the generous default limit.
 */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' }, sourceMaps: 'inline' },
    ],
  },
  cacheDirectory: '<rootDir>/.cache/jest',
  testTimeout: 30_000,
  maxWorkers: 2,
};
