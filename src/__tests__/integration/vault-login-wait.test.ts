import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitUntil } from '../../dev/wait-until.js';
import { loadConfig } from '../../shared/config/config.js';
import { startServer } from '../../store-service/server.js';
import { removeTemporaryFolders, useTemporaryFolder } from '../helpers/temporary-folder.js';
import { recordingLogger } from '../helpers/test-app.js';
import { testEnvironment, TestService } from '../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterEach(removeTemporaryFolders);
afterAll(() => service.stop());

/** Starts with a token that Vault does not know. */
function startWith(token: Record<string, string>) {
  const { VAULT_TOKEN: _token, ...vault } = service.vault.environment;
  const environment = { DATABASE_URLS: service.database.appUrl, ...vault, ...token };
  const { VAULT_TOKEN: _none, ...others } = testEnvironment();
  const recording = recordingLogger();
  const server = startServer(loadConfig({ ...others, ...environment }), { logger: recording.logger });
  return { server, lines: recording.lines };
}

describe('a start with a login that Vault refuses', () => {
  it('says which file is to be mended, and goes on when it is', async () => {
    const path = join(await useTemporaryFolder(), 'token');
    await writeFile(path, 'hvs.spent');
    const { server, lines } = startWith({ VAULT_TOKEN_FILE: path });
    const told = () => lines.filter((line) => line.includes('waiting for other credentials'));
    await waitUntil('the log to tell', () => told().length > 0, { timeoutMs: 10_000 });
    expect(JSON.parse(told()[0] ?? '')).toMatchObject({
      'log.level': 'error',
      files: [path],
      method: 'token',
      failure: 'denied',
    });
    await writeFile(path, service.vault.environment['VAULT_TOKEN'] ?? '');
    const running = await server;
    expect((await fetch(`${running.url}/health/ready`)).status).toBe(200);
    await running.close();
    expect(told()).toHaveLength(1);
    expect(lines.join('\n')).not.toContain('hvs.spent');
  });

  it('ends where it was given by value: no file can change it', async () => {
    const { server } = startWith({ VAULT_TOKEN: 'hvs.spent' });
    await expect(server).rejects.toThrow('it refuses the login');
  });
});
