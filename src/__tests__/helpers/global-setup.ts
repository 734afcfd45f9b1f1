import { tsImport } from 'tsx/esm/api';
import type * as testRunModule from './test-run.js';

/** Jest loads this file without its module transform, so tsx loads what it imports. */
export default async function globalSetup(): Promise<void> {
  const { TestRun } = (await tsImport('./test-run.ts', import.meta.url)) as typeof testRunModule;
  const testRun = new TestRun();
  // Workers inherit the environment.
  Object.assign(process.env, await testRun.open());
  Object.assign(globalThis, { testRun });
}
