import type { Config } from 'jest';

const config: Config = {
  testEnvironment: 'node',
  roots: ['<rootDir>/src'],
  testMatch: ['**/__tests__/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: { '^.+\\.ts$': ['ts-jest', { useESM: true }] },
  reporters: ['default', '<rootDir>/src/__tests__/helpers/skipped-tests-reporter.ts'],
  globalSetup: '<rootDir>/src/__tests__/helpers/global-setup.ts',
  globalTeardown: '<rootDir>/src/__tests__/helpers/global-teardown.ts',
  maxWorkers: 2,
  // Each file leaves its modules behind. A worker of more than a gigabyte needs longer to give its memory back than the
  // half second that jest allows, which then takes it for one whose tests left something running.
  workerIdleMemoryLimit: '300MB',
  testTimeout: 30_000,
  collectCoverageFrom: ['src/**/*.ts', '!src/__tests__/**'],
  coverageProvider: 'v8',
  coverageReporters: ['text-summary', 'lcovonly', 'json-summary'],
  coverageThreshold: { global: { lines: 90, branches: 90, functions: 90, statements: 90 } },
};

export default config;
