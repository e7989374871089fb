/**
 * ESM throughout: TypeScript is stripped by swc (types are checked by `tsc`), `./x.js` specifiers find `./x.ts`.
 * Suites wait more than they work: three of them, with a Temporal server each, and the whole product beside them
 * (`scripts/test.mjs`) keep 2 cores busy; with more the servers of a slow machine fall so far behind that sessions are not taken up
 * for minutes. Hence the generous limit too, above that of `until`, which says what was waited for.
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
  testTimeout: 120_000,
  testSequencer: '<rootDir>/test/support/slow-first.mjs',
  maxWorkers: 3,
};
