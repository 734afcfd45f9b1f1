import { randomBytes } from 'node:crypto';
import { waitUntil } from '../../dev/wait-until.js';
import { messageOf } from '../../shared/errors/error-code.js';
import { runMain } from '../../shared/process/run-main.js';
import { ComposeProject } from './compose-project.js';

const servers = ['vault', 'postgres-primary', 'postgres-replica', 'api'];

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** What must hold after whatever was done: old personal data is read, and new is written. */
class Witness {
  readonly #stores: { readonly id: string; readonly email: string }[] = [];

  constructor(readonly project: ComposeProject) {}

  async look(): Promise<void> {
    for (const { id, email } of this.#stores) await this.project.expectContact(id, email);
    const email = `${randomBytes(4).toString('hex')}@example.org`;
    this.#stores.push({ id: await this.project.createStore(email), email });
  }

  /** Does something, and looks when the service is ready again. */
  async after(what: string, work: () => Promise<unknown>): Promise<void> {
    const startedMs = performance.now();
    await work();
    await this.project.ready();
    await this.look();
    print(
      `${what}: ready after ${((performance.now() - startedMs) / 1000).toFixed(1)} s, all stores are read`,
    );
  }
}

/** A first start in which a server is killed as soon as it runs, so that it finds its work half done. */
async function interruptedStart(project: ComposeProject, service: string): Promise<void> {
  const witness = new Witness(project);
  await witness.after(`first start, ${service} killed meanwhile`, async () => {
    const up = project.compose('up', '--detach').catch(() => undefined);
    await waitUntil(
      `${service} to run`,
      async () =>
        (await project.containers()).some(({ Service, State }) => Service === service && State === 'running'),
      { timeoutMs: 60_000 },
    );
    await project.kill(service);
    await up;
    await project.up();
  });
  await project.down('volumes');
}

async function rounds(project: ComposeProject, count: number): Promise<void> {
  for (let round = 1; round <= count; round += 1) {
    await new Witness(project).after(`up on fresh volumes, ${round} of ${count}`, () => project.up());
    await project.down('volumes');
  }
}

async function disturb(project: ComposeProject): Promise<void> {
  const witness = new Witness(project);
  await witness.after('up', () => project.up());
  const { mode, keys } = await project.keysFile();
  if (mode !== '600') throw new Error(`The file of the keys has the mode ${mode}`);
  const log = await project.compose('logs', '--no-color');
  if (Object.values(keys).some((key) => log.includes(key))) throw new Error('A log holds an API key');

  for (const service of servers) {
    await witness.after(`restart ${service}`, () => project.compose('restart', service));
  }
  await witness.after('restart of everything', () => project.compose('restart'));
  for (const service of servers) {
    await witness.after(`kill -9 of ${service}`, () => project.kill(service));
  }
  await witness.after('kill -9 of all at once', () =>
    Promise.all(servers.map((service) => project.kill(service))),
  );
  await witness.after('down and up', async () => {
    await project.down();
    await project.up();
  });
  await witness.after('another secret id, then a restart of the API', async () => {
    await project.compose('run', '--rm', 'vault-setup', 'rotate');
    await project.compose('restart', 'api');
  });
  await witness.after('the file of the API keys lost, then up', async () => {
    await project.loseKeys();
    await project.up();
  });
  const listed = await project.compose('run', '--rm', 'cli', 'keys', 'list');
  if (!listed.includes('compose-admin')) throw new Error(`keys list shows ${listed}`);
  print('cli keys list: the keys are there');
}

/**
 * Plays docker-compose.yml through with the Docker engine of this machine. COMPOSE_ROUNDS: how often it starts on fresh
 * volumes, 2 unless told.
 */
async function main(): Promise<number> {
  const project = await ComposeProject.prepare('store-platform-check');
  try {
    await project.down('volumes');
    await project.compose('build');
    await rounds(project, Number(process.env['COMPOSE_ROUNDS'] ?? 2));
    for (const service of ['vault', 'postgres-primary', 'postgres-replica'])
      await interruptedStart(project, service);
    await disturb(project);
  } catch (error) {
    print(await project.compose('ps', '--all'));
    print(await project.compose('logs', '--no-color', '--tail', '40'));
    throw error;
  } finally {
    await project.remove();
  }
  print('Everything held.');
  return 0;
}

runMain(main, { explain: (error) => ({ exitCode: 1, message: messageOf(error) }) });
