import type { TestClusterHost } from './test-cluster-host.js';

export default async function globalTeardown(): Promise<void> {
  const { testClusterHost } = globalThis as { testClusterHost?: TestClusterHost };
  await testClusterHost?.close();
}
