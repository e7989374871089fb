import { defineConfig } from 'oxlint';

/**
 * The house's import rules (docs/decisions/0001-layers.md): each folder names the folders it may import from, and the
 * packages where that is limited. Everything else outside the folder is refused. A trailing ` (types)` means
 * `import type` only.
 */
const LAYERS = {
  domain: { folders: [], packages: ['zod'] },
  platform: { folders: ['domain'] },
  workflows: {
    folders: ['domain', 'activities (types)'],
    packages: ['@temporalio/workflow', '@temporalio/common', 'zod'],
  },
  directory: { folders: ['domain'] },
  codec: { folders: ['domain'] },
  http: { folders: ['domain'] },
  telemetry: { folders: [] },
  // Loaded where traces are wanted, by `import()`, and not even read where they are not: hence ` (types)` in who uses it.
  tracing: { folders: ['domain', 'platform (types)', 'workflows (types)'] },
  activities: { folders: ['domain', 'directory', 'platform'] },
  bus: { folders: ['domain'] },
  worker: {
    folders: [
      ...['domain', 'bus', 'codec', 'directory', 'http', 'telemetry', 'platform', 'workflows', 'activities'],
      'tracing (types)',
    ],
  },
  api: { folders: ['domain', 'bus', 'codec', 'directory', 'http', 'telemetry', 'tracing (types)'] },
  simulator: { folders: [] },
  scripts: { folders: ['domain'] },
  // The supervisors' page: what it knows of the rest is what REST and the WebSocket say.
  console: { folders: ['domain'], packages: ['preact', 'preact/hooks', 'zod', 'node:path', 'vite'] },
  // One file, which others take into their pages.
  browser: { folders: [], packages: [] },
  // What somebody outside would write, and copy.
  examples: {
    folders: [],
    packages: [
      ...['node:crypto', 'node:events', 'node:fs', 'node:stream', 'node:timers/promises', 'node:util'],
      ...['@temporalio/client', '@temporalio/common', '@temporalio/envconfig', '@temporalio/proto', 'zod'],
    ],
  },
  bench: {
    folders: ['domain', 'bus', 'directory', 'platform', 'workflows', 'activities', 'worker', 'simulator', 'scripts'],
  },
  // Somebody else's program, which knows Earshot by its REST.
  'bench/rival': {
    folders: [],
    packages: [
      ...['node:crypto', 'node:http', 'node:timers/promises'],
      ...['@redis/client', 'express', 'pino', 'undici', 'ws', 'zod'],
    ],
  },
};
const ROOMS = [...Object.keys(LAYERS), 'test'];

function layerRules([layer, { folders, packages }]) {
  const full = folders.filter((f) => !f.endsWith(' (types)'));
  const typesOnly = folders.filter((f) => f.endsWith(' (types)')).map((f) => f.replace(' (types)', ''));
  const forbidden = ROOMS.filter((room) => room !== layer && !full.includes(room) && !typesOnly.includes(room));
  const outOf = (room) => `^(\\.\\./)+${room}/`;
  const patterns = [
    ...forbidden.map((room) => ({
      regex: outOf(room),
      message: `${layer}/ must not import ${room}/ (see LAYERS in oxlint.config.mjs).`,
    })),
    ...typesOnly.map((room) => ({
      regex: outOf(room),
      allowTypeImports: true,
      message: `${layer}/ sees ${room}/ as types only: use \`import type\`.`,
    })),
  ];
  if (packages) {
    // As in a .gitignore: what is in a scope, or below a module, is let in only if that is.
    const allowed = packages.flatMap((name) => (name.includes('/') ? [name.split('/')[0], name] : [name]));
    patterns.push({
      group: ['**', ...['./**', '../**', ...allowed].map((name) => `!${name}`)],
      message: `${layer}/ may import these packages only: ${packages.join(', ') || 'none'}.`,
    });
  }
  return {
    files: [`${layer}/**/*.{ts,tsx}`],
    rules: { 'no-restricted-imports': ['error', { patterns }] },
  };
}

/** What is wrong, or likely to be, wherever it stands: the strict, type-aware rules of typescript-eslint. */
const STRICT = [
  'no-var',
  'prefer-const',
  'prefer-rest-params',
  'prefer-spread',
  'typescript/await-thenable',
  'typescript/ban-ts-comment',
  'no-array-constructor',
  'typescript/no-array-delete',
  'typescript/no-base-to-string',
  'typescript/no-deprecated',
  'typescript/no-duplicate-enum-values',
  'typescript/no-duplicate-type-constituents',
  'typescript/no-dynamic-delete',
  'typescript/no-empty-object-type',
  'typescript/no-explicit-any',
  'typescript/no-extra-non-null-assertion',
  'typescript/no-extraneous-class',
  'typescript/no-floating-promises',
  'typescript/no-for-in-array',
  'typescript/no-generated-empty-object-type',
  'typescript/no-implied-eval',
  'typescript/no-invalid-void-type',
  'typescript/no-meaningless-void-operator',
  'typescript/no-misused-new',
  'typescript/no-misused-promises',
  'typescript/no-misused-spread',
  'typescript/no-mixed-enums',
  'typescript/no-namespace',
  'typescript/no-non-null-asserted-nullish-coalescing',
  'typescript/no-non-null-asserted-optional-chain',
  'typescript/no-redundant-type-constituents',
  'typescript/no-require-imports',
  'typescript/no-this-alias',
  'typescript/no-unnecessary-boolean-literal-compare',
  'typescript/no-unnecessary-condition',
  'typescript/no-unnecessary-template-expression',
  'typescript/no-unnecessary-type-arguments',
  'typescript/no-unnecessary-type-assertion',
  'typescript/no-unnecessary-type-constraint',
  'typescript/no-unnecessary-type-conversion',
  'typescript/no-unnecessary-type-parameters',
  'typescript/no-unsafe-argument',
  'typescript/no-unsafe-assignment',
  'typescript/no-unsafe-call',
  'typescript/no-unsafe-declaration-merging',
  'typescript/no-unsafe-enum-comparison',
  'typescript/no-unsafe-function-type',
  'typescript/no-unsafe-member-access',
  'typescript/no-unsafe-return',
  'typescript/no-unsafe-unary-minus',
  'no-unused-expressions',
  'no-unused-vars',
  'no-useless-constructor',
  'typescript/no-useless-default-assignment',
  'typescript/no-wrapper-object-types',
  'typescript/only-throw-error',
  'typescript/prefer-as-const',
  'typescript/prefer-literal-enum-member',
  'typescript/prefer-namespace-keyword',
  'typescript/prefer-promise-reject-errors',
  'typescript/prefer-reduce-type-parameter',
  'typescript/prefer-return-this-type',
  'typescript/related-getter-setter-pairs',
  'typescript/require-await',
  'typescript/triple-slash-reference',
  'typescript/unbound-method',
  'typescript/unified-signatures',
  'typescript/use-unknown-in-catch-callback-variable',
];

export default defineConfig({
  ignorePatterns: ['dist/', '.cache/', '.earshot/', 'coverage/', 'node_modules/'],
  plugins: ['typescript', 'import', 'oxc'],
  categories: { correctness: 'error' },
  rules: {
    // Strings and numbers sort as they should, and anything else is for a comparator to say anyway.
    'typescript/require-array-sort-compare': 'off',
    'no-control-regex': 'off',
  },
  options: { typeAware: true, reportUnusedDisableDirectives: 'error' },
  env: { node: true, es2024: true },
  overrides: [
    {
      files: ['**/*.{ts,tsx}'],
      rules: {
        ...Object.fromEntries(STRICT.map((rule) => [rule, 'error'])),
        'typescript/consistent-type-imports': 'error',
        // No `as` to silence the compiler: parse with zod or narrow with a guard. `as const` is another matter.
        'typescript/consistent-type-assertions': ['error', { assertionStyle: 'never' }],
        'typescript/explicit-module-boundary-types': 'error',
        'typescript/no-non-null-assertion': 'error',
        'typescript/restrict-plus-operands': [
          'error',
          {
            allowAny: false,
            allowBoolean: false,
            allowNullish: false,
            allowNumberAndString: false,
            allowRegExp: false,
          },
        ],
        'typescript/restrict-template-expressions': [
          'error',
          {
            allowAny: false,
            allowBoolean: true,
            allowNever: false,
            allowNullish: true,
            allowNumber: true,
            allowRegExp: false,
          },
        ],
        'typescript/return-await': ['error', 'error-handling-correctness-only'],
        'typescript/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
        'typescript/no-import-type-side-effects': 'error',
        'typescript/prefer-nullish-coalescing': 'error',
        // A thing has one name everywhere.
        'import/no-default-export': 'error',
        eqeqeq: 'error',
        'no-console': 'error',
      },
    },
    ...Object.entries(LAYERS).map(layerRules),
    {
      files: ['workflows/**/*.ts'],
      rules: {
        'no-restricted-globals': [
          'error',
          { name: 'process', message: 'Workflow code is deterministic: settings come from a local activity.' },
        ],
      },
    },
    {
      files: ['**/*.mjs'],
      // Their types are guessed.
      rules: { 'typescript/restrict-template-expressions': 'off' },
    },
    {
      files: ['test/**/*.ts'],
      rules: { 'typescript/no-non-null-assertion': 'off' },
    },
  ],
});
