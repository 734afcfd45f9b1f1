import { tsImport } from 'tsx/esm/api';
import type * as hostModule from './test-cluster-host.js';

/** Names the environment variable through which workers learn where to ask for the cluster. */
const ADDRESS_VARIABLE = 'TEST_CLUSTER_ADDRESS';

/** Jest loads this file without its module transform, so tsx loads what it imports. */
export default async function globalSetup(): Promise<void> {
  const { TestClusterHost } = (await tsImport(
    './test-cluster-host.ts',
    import.meta.url,
  )) as typeof hostModule;
  const host = new TestClusterHost();
  process.env[ADDRESS_VARIABLE] = await host.listen();
  Object.assign(globalThis, { testClusterHost: host });
}
