import tseslint from 'typescript-eslint';

const NO_ENUM = { selector: 'TSEnumDeclaration', message: 'A string union from `as const` instead of an enum.' };
const BY_POSTGRESQL =
  "PostgreSQL's clock dates what is stored: databaseNow() of store/db/clock.ts, or now() in the statement.";

export default tseslint.config(
  {
    ignores: [
      'dist/',
      'node_modules/',
      '.cache/',
      '.slipway/',
      'coverage/',
      'domain/fleet/filter-grammar.*',
      'client/generated/',
    ],
  },
  ...tseslint.configs.recommended,
  {
    files: ['**/*.{ts,tsx}'],
    extends: [...tseslint.configs.recommendedTypeCheckedOnly],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    // What must be there is checked where it is relied on, with a sentence (domain/defined.ts).
    files: [
      '{activities,adapters,agent,api,bridge,cli,client,demo,domain,protocol,runtime,store,web,workers,workflows}/**/*.{ts,tsx}',
    ],
    rules: { '@typescript-eslint/no-non-null-assertion': 'error' },
  },
  {
    // Tests read answers of the API as they come, and compare them whole: `body` is any.
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
    },
  },
  {
    rules: {
      'max-lines': ['error', { max: 400 }],
      'no-empty': ['error', { allowEmptyCatch: false }],
      'no-restricted-syntax': ['error', NO_ENUM],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  {
    // Several processes write times into one database and compare them there: none of them goes by its own clock.
    files: ['{activities,api,bridge,store}/**/*.ts', 'workers/{api,bridge,broker,orchestrator}.ts'],
    // The fence of a leader that was stopped compares spans of its own clocks; nothing of them is stored.
    ignores: ['store/db/clock.ts', 'bridge/rounds/lease-guard.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        NO_ENUM,
        { selector: "MemberExpression[object.name='Date'][property.name='now']", message: BY_POSTGRESQL },
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: BY_POSTGRESQL },
        { selector: "CallExpression[callee.name='Date']", message: BY_POSTGRESQL },
      ],
    },
  },
  {
    // Sentences of users and SQL stay whole. Prettier wraps code at this width, and leaves comments as they are.
    files: ['**/*.{ts,tsx}'],
    ignores: ['test/**'],
    rules: {
      'max-len': [
        'error',
        {
          code: 120,
          ignoreUrls: true,
          ignoreStrings: true,
          ignoreTemplateLiterals: true,
          ignoreRegExpLiterals: true,
        },
      ],
    },
  },
  {
    files: ['**/*.cjs'],
    languageOptions: { sourceType: 'commonjs', globals: { module: 'writable', require: 'readonly' } },
  },
);
