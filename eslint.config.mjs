// ESLint 10 reads no eslintrc by itself: this hands it .eslintrc.cjs, the one source of rules.
import { FlatCompat } from '@eslint/eslintrc';
import js from '@eslint/js';
import { createRequire } from 'node:module';

const rules = createRequire(import.meta.url)('./.eslintrc.cjs');
const compat = new FlatCompat({
  baseDirectory: import.meta.dirname,
  recommendedConfig: js.configs.recommended,
});

export default [
  { ignores: ['dist/', 'coverage/', '.data/'] },
  ...compat.config(rules).map((entry) => ({ files: ['**/*.ts'], ...entry })),
];
