'use strict';

const { createNodeResolver } = require('eslint-plugin-import-x');

/** Folders under src and what each may never import; docs/adr/0002-layers.md gives the reasons. */
const zones = [
  {
    target: './src/shared',
    from: ['./src/store-service', './src/dev', './src/cli'],
    message: 'shared knows nothing of stores, of the development stack or of the command line',
  },
  {
    target: './src/store-service',
    from: ['./src/dev', './src/cli'],
    message: 'nothing that ships to production imports the development stack or the command line',
  },
  {
    target: './src/store-service/models',
    from: [
      './src/store-service/!(models)/**',
      './src/store-service/*.ts',
      './src/shared/!(errors|validation|encoding)/**',
    ],
    message: 'models import no infrastructure',
  },
  {
    target: './src/store-service/repositories',
    from: ['./src/store-service/services', './src/store-service/routes', './src/shared/middleware'],
    message: 'routes call services, services call repositories',
  },
  {
    target: './src/store-service/services',
    from: ['./src/store-service/routes', './src/shared/middleware'],
    message: 'services know no HTTP',
  },
  {
    target: './src/store-service/routes',
    from: ['./src/store-service/repositories', './src/shared/database'],
    message: 'routes reach the database through services only',
  },
];

/** Libraries that stop at a layer: the pattern of files that may import each. */
const confined = [
  {
    library: 'express',
    allowed: ['src/store-service/app.ts', 'src/store-service/routes/**', 'src/shared/middleware/**'],
  },
  { library: 'pg', allowed: ['src/shared/database/**', 'src/dev/**'] },
  { library: 'node-vault', allowed: ['src/shared/services/**'] },
];

/** The rule that forbids every confined library but one. */
const forbidAllBut = (permitted) => ({
  '@typescript-eslint/no-restricted-imports': [
    'error',
    {
      paths: confined
        .filter(({ library }) => library !== permitted)
        .map(({ library, allowed }) => ({
          name: library,
          message: `${library} stops at ${allowed.join(', ')}`,
        })),
    },
  ],
});

module.exports = {
  root: true,
  parser: '@typescript-eslint/parser',
  parserOptions: { projectService: true, tsconfigRootDir: __dirname },
  plugins: ['@typescript-eslint', 'import-x'],
  extends: [
    'eslint:recommended',
    'plugin:@typescript-eslint/strict-type-checked',
    'plugin:@typescript-eslint/stylistic-type-checked',
  ],
  settings: { 'import-x/resolver-next': [createNodeResolver({ extensionAlias: { '.js': ['.ts', '.js'] } })] },
  rules: {
    'no-console': 'error',
    'no-process-exit': 'error',
    eqeqeq: 'error',
    '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }],
    'import-x/no-default-export': 'error',
    'import-x/no-cycle': 'error',
    '@typescript-eslint/consistent-type-imports': 'error',
    '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
    // winston types its transports as interfaces that extend a class, which this rule takes for foreign instances
    '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
    'import-x/no-restricted-paths': ['error', { zones }],
    ...forbidAllBut(),
  },
  overrides: [
    // jest wants default exports of these
    {
      files: ['jest.config.ts', 'src/__tests__/helpers/{global-*,skipped-tests-reporter}.ts'],
      rules: { 'import-x/no-default-export': 'off' },
    },
    ...confined.map(({ library, allowed }) => ({ files: allowed, rules: forbidAllBut(library) })),
    {
      files: ['src/__tests__/**'],
      rules: {
        // tests drive every layer, with what libraries they need
        '@typescript-eslint/no-restricted-imports': 'off',
        // supertest types bodies as any; the OpenAPI document says what they are, and is held against each
        '@typescript-eslint/no-unsafe-argument': 'off',
        '@typescript-eslint/no-unsafe-assignment': 'off',
        '@typescript-eslint/no-unsafe-member-access': 'off',
      },
    },
  ],
};
