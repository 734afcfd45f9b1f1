import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startListening } from '../../helpers/listening-service.js';
import { runNode } from '../../helpers/run-node.js';
import { removeTemporaryFolders, useTemporaryFolder } from '../../helpers/temporary-folder.js';
import { recordingLogger } from '../../helpers/test-app.js';
import { uniqueCode } from '../../helpers/store-samples.js';
import { TestService, tokenOf } from '../../helpers/test-service.js';

const repository = path.resolve(import.meta.dirname, '../../../..');

let service: TestService;
let document: string;

beforeAll(async () => {
  service = await TestService.start();
  document = (await service.request('GET', '/openapi.json').expect(200)).text;
});

afterAll(async () => {
  await removeTemporaryFolders();
  await service.stop();
});

async function writeDocument(text: string): Promise<string> {
  const file = path.join(await useTemporaryFolder(), 'openapi.json');
  await writeFile(file, text);
  return file;
}

describe('Redocly', () => {
  const lint = async (text: string) =>
    runNode(
      [
        path.join(repository, 'node_modules/@redocly/cli/bin/cli.js'),
        'lint',
        '--config',
        path.join(repository, 'redocly.yaml'),
        '--format',
        'stylish',
        await writeDocument(text),
      ],
      { env: { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' } },
    );

  it('finds no fault with the document', async () => {
    const { code, stdout, stderr } = await lint(document);
    expect({ code, faults: code === 0 ? '' : stdout + stderr }).toEqual({ code: 0, faults: '' });
  });

  it('finds one where there is one', async () => {
    const { servers, ...rest } = JSON.parse(document) as Record<string, unknown>;
    expect(servers).toBeDefined();
    const { code, stdout } = await lint(JSON.stringify(rest));
    expect(code).toBe(1);
    expect(stdout).toContain('no-empty-servers');
  });
});

/** A client's code: types have to know what the service answers, and which members a status brings along. */
const clientCode = `import { createStore, getOperation, getStore, listStores, type StoreCreation, type Problem } from './generated/index.js';
import { client } from './generated/client.gen.js';

const [url = '', key = '', code = ''] = process.argv.slice(2);
client.setConfig({ baseUrl: url, auth: key });

const body: StoreCreation = {
  code,
  name: 'Berlin Mitte',
  format: 'STANDARD',
  region: 'eu-central',
  address: { line1: 'Friedrichstr. 1', city: 'Berlin', postalCode: '10117', country: 'DE' },
  timezone: 'Europe/Berlin',
  currency: 'EUR',
  labels: { wave: '7', code: code.toLowerCase() },
};
const created = await createStore({ body, headers: { 'Idempotency-Key': code } });
if (created.data === undefined || 'attempts' in created.data) throw new Error(JSON.stringify(created.error));
const read = await getStore({ path: { id: created.data.id } });
const listed = await listStores({ query: { label: ['code:' + code.toLowerCase(), 'wave:7'], status: ['PROVISIONING', 'ACTIVE'] } });
const refused = await createStore({ body });
const problem: Problem | undefined = refused.error;
const unknown = await getOperation({ path: { id: created.data.id } });
const operation = unknown.data;
const version: number | undefined = operation?.status === 'SUCCEEDED' ? operation.result.version : undefined;
console.log(JSON.stringify({ read: read.data?.code, listed: listed.data?.items.length, problem: problem?.code, version: version ?? null, unknown: unknown.error?.code }));
`;

describe('a client that was generated from the document', () => {
  it('compiles under strict rules, and gets on with the service', async () => {
    const folder = path.dirname(await writeDocument(document));
    const output = { path: path.join(folder, 'generated'), module: { extension: '.js' } };
    const settings = { input: path.join(folder, 'openapi.json'), output, logs: { level: 'silent' } };
    const generate = `await (await import('@hey-api/openapi-ts')).createClient(${JSON.stringify(settings)})`;
    await Promise.all([
      writeFile(path.join(folder, 'client.ts'), clientCode),
      writeFile(path.join(folder, 'package.json'), '{"type":"module"}'),
    ]);
    const generated = await runNode(['--input-type=module', '-e', generate], { cwd: repository });
    expect(generated).toMatchObject({ code: 0 });
    const types = ['--typeRoots', path.join(repository, 'node_modules/@types'), '--types', 'node'];
    const options = ['--strict', '--module', 'nodenext', '--target', 'es2023', ...types];
    const compiler = path.join(repository, 'node_modules/typescript/bin/tsc');
    const compiled = await runNode([compiler, ...options, 'client.ts'], { cwd: folder });
    expect(compiled).toMatchObject({ code: 0, stdout: '' });

    const code = uniqueCode();
    const server = await startListening(service, recordingLogger().logger);
    try {
      const { stdout, stderr } = await runNode(['client.js', server.url, tokenOf('operator'), code], {
        cwd: folder,
      });
      expect([stderr, JSON.parse(stdout)]).toEqual([
        '',
        { read: code, listed: 1, problem: 'store_code_taken', version: null, unknown: 'operation_not_found' },
      ]);
    } finally {
      await server.close();
    }
  }, 120_000);
});
