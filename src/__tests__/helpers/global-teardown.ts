import type { TestRun } from './test-run.js';

export default async function globalTeardown(): Promise<void> {
  const { testRun } = globalThis as { testRun?: TestRun };
  await testRun?.close();
}
