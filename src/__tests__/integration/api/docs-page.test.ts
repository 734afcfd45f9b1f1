import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import type { RunningServer } from '../../../store-service/server.js';
import type { DocsPageView } from '../../helpers/docs-page.js';
import { startListening } from '../../helpers/listening-service.js';
import { runNode } from '../../helpers/run-node.js';
import { recordingLogger } from '../../helpers/test-app.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;
let server: RunningServer;
let view: DocsPageView;

beforeAll(async () => {
  service = await TestService.start();
  server = await startListening(service, recordingLogger().logger);
  const script = fileURLToPath(new URL('../../helpers/docs-page.ts', import.meta.url));
  const { stdout, stderr } = await runNode(['--import', 'tsx', script, `${server.url}/docs/`]);
  expect(stderr).toBe('');
  view = JSON.parse(stdout) as DocsPageView;
}, 120_000);

afterAll(async () => {
  await server.close();
  await service.stop();
});

describe('the page of /docs in a browser', () => {
  it('shows every operation', async () => {
    const { paths } = (await service.request('GET', '/openapi.json').expect(200)).body as {
      paths: Record<string, object>;
    };
    const count = Object.values(paths).reduce((sum, item) => sum + Object.keys(item).length, 0);
    expect(view.operations).toBe(count);
  });

  it('warns of nothing, and has nothing to complain of', () => {
    expect([view.warnings, view.complaints]).toEqual([[], []]);
  });

  it('fetches nothing from elsewhere', () => {
    expect(view.origins).toEqual([server.url]);
  });

  it('offers a body for a new store that the service takes as it is', async () => {
    await service.post('/api/stores', JSON.parse(view.body) as object).expect(201);
  });

  it('fills in no header that would make a second try another request than it looks', () => {
    expect(view.filledIn).toEqual({});
  });
});
