import tseslint from 'typescript-eslint';

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
  activities: { folders: ['domain', 'directory', 'platform'] },
  worker: { folders: ['domain', 'directory', 'platform', 'workflows', 'activities'] },
  api: { folders: ['domain', 'directory'] },
  simulator: { folders: [] },
  scripts: { folders: ['domain'] },
  bench: { folders: ['domain', 'platform', 'workflows', 'activities', 'worker', 'simulator', 'scripts'] },
};
const ROOMS = [...Object.keys(LAYERS), 'console', 'examples', 'test'];

function layerRules([layer, { folders, packages }]) {
  const full = folders.filter((f) => !f.endsWith(' (types)'));
  const typesOnly = folders.filter((f) => f.endsWith(' (types)')).map((f) => f.replace(' (types)', ''));
  const forbidden = ROOMS.filter((room) => room !== layer && !full.includes(room) && !typesOnly.includes(room));
  const outOf = (room) => `^(\\.\\./)+${room}/`;
  const patterns = [
    ...forbidden.map((room) => ({
      regex: outOf(room),
      message: `${layer}/ must not import ${room}/ (see LAYERS in eslint.config.js).`,
    })),
    ...typesOnly.map((room) => ({
      regex: outOf(room),
      allowTypeImports: true,
      message: `${layer}/ sees ${room}/ as types only: use \`import type\`.`,
    })),
  ];
  if (packages) {
    const allowed = packages.map((name) => name.replaceAll('/', '\\/')).join('|');
    patterns.push({
      regex: `^(?!(\\.{1,2}/|(${allowed})$))`,
      message: `${layer}/ may import these packages only: ${packages.join(', ')}.`,
    });
  }
  return {
    files: [`${layer}/**/*.ts`],
    rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns }] },
  };
}

export default tseslint.config(
  { ignores: ['dist/', '.cache/', '.earshot/', 'coverage/', 'node_modules/'] },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked],
    // One program for all files: the project service, made for editors, takes a fifth longer.
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/consistent-type-assertions': [
        'error',
        { assertionStyle: 'as', objectLiteralTypeAssertions: 'never' },
      ],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/prefer-nullish-coalescing': 'error',
      '@typescript-eslint/no-confusing-void-expression': 'off',
      // A quarter of the time of all rules, for enums, of which the project has none of its own.
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'No default exports: a thing has one name everywhere.' },
        {
          selector: 'TSAsExpression:not([typeAnnotation.typeName.name="const"])',
          message: 'No `as` to silence the compiler: parse with zod or narrow with a guard.',
        },
      ],
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
    files: ['test/**/*.ts'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off' },
  },
);
