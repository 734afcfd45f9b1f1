import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findFreePort } from '../../dev/free-port.js';
import { waitUntil } from '../../dev/wait-until.js';
import { messageOf } from '../../shared/errors/error-code.js';
import { newStoreBody } from '../helpers/store-samples.js';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../..', import.meta.url));
const readyMs = 180_000;
const restartMs = 60_000;

type Role = 'viewer' | 'operator' | 'admin';

interface ContainerState {
  readonly ID: string;
  readonly Service: string;
  readonly State: string;
  readonly Health: string;
  readonly ExitCode: number;
}

/** The services of docker-compose.yml under a name, a port and a folder of their own, beside what may run already. */
export class ComposeProject {
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(
    readonly name: string,
    readonly url: string,
    readonly operatorFolder: string,
    port: number,
  ) {
    this.#environment = { ...process.env, API_PORT: String(port), OPERATOR_DIR: operatorFolder };
  }

  static async prepare(name: string): Promise<ComposeProject> {
    const [port, folder] = await Promise.all([findFreePort(), mkdtemp(join(tmpdir(), 'compose-operator-'))]);
    return new ComposeProject(name, `http://127.0.0.1:${port}`, folder, port);
  }

  /** @returns what was printed */
  async compose(...command: string[]): Promise<string> {
    const args = ['compose', '--project-name', this.name, '--progress', 'quiet', ...command];
    const options = { cwd: root, env: this.#environment, maxBuffer: 64 * 1024 * 1024 };
    const { stdout } = await run('docker', args, options);
    return stdout;
  }

  async up(): Promise<void> {
    await this.compose('up', '--detach');
    await this.ready();
  }

  /** Removes the containers, and with `volumes` all that they keep. */
  down(...options: 'volumes'[]): Promise<string> {
    return this.compose('down', '--timeout', '30', ...options.map((option) => `--${option}`));
  }

  async remove(): Promise<void> {
    await this.down('volumes');
    await rm(this.operatorFolder, { recursive: true });
  }

  /** All containers of the project. One that goes while they are listed makes Compose fail: then it is asked again. */
  async containers(): Promise<ContainerState[]> {
    const list = (): Promise<string | undefined> =>
      this.compose('ps', '--all', '--format', 'json').catch((error: unknown) => {
        if (messageOf(error).includes('No such container')) return undefined;
        throw error;
      });
    const listed = await waitUntil('a list of the containers', list, { timeoutMs: restartMs });
    const lines = listed.split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as ContainerState);
  }

  /** Kills the first process of a container from outside, as the kernel does when memory is short. */
  async kill(service: string): Promise<void> {
    const { id, pid, startedAt } = await this.#process(service);
    const kill = ['--eval', `process.kill(${pid}, 'SIGKILL')`];
    const killer = ['--entrypoint', 'node', '--user', '0:0', 'store-platform:local', ...kill];
    await run('docker', ['run', '--rm', '--pid', 'host', '--cap-add', 'KILL', ...killer]);
    await waitUntil(
      `${service} to run again`,
      async () => {
        const now = await this.#process(service);
        if (now.id !== id)
          throw new Error(`${service} has another container: it did not come back by itself`);
        return now.pid > 0 && now.startedAt !== startedAt;
      },
      { timeoutMs: restartMs, intervalMs: 100 },
    );
  }

  async #process(service: string): Promise<{ id: string; pid: number; startedAt: string }> {
    const id = (await this.compose('ps', '--all', '--quiet', service)).trim();
    const format = '{{.State.Pid}} {{.State.StartedAt}}';
    const { stdout } = await run('docker', ['inspect', '--format', format, id]);
    const [pid, startedAt = ''] = stdout.trim().split(' ');
    return { id, pid: Number(pid), startedAt };
  }

  /** Waits until the API says that everything is there, and each container is as it should be. */
  async ready(): Promise<void> {
    await waitUntil(
      'the service to be ready',
      async () => {
        const answer = await fetch(`${this.url}/health/ready`).catch(() => undefined);
        if (answer?.status !== 200) return false;
        const { status } = (await answer.json()) as { status: string };
        const states = await this.containers();
        return status === 'ok' && states.every(isAsItShouldBe);
      },
      { timeoutMs: readyMs, intervalMs: 250 },
    );
  }

  /** The operator has lost the keys. */
  loseKeys(): Promise<void> {
    return rm(join(this.operatorFolder, 'api-keys.json'));
  }

  async keysFile(): Promise<{ mode: string; keys: Record<Role, string> }> {
    const path = join(this.operatorFolder, 'api-keys.json');
    const [{ mode }, text] = await Promise.all([stat(path), readFile(path, 'utf8')]);
    const { keys } = JSON.parse(text) as { keys: Record<Role, string> };
    return { mode: (mode & 0o777).toString(8), keys };
  }

  /** Creates a store with personal data. */
  async createStore(email: string): Promise<string> {
    const body = newStoreBody({ contact: { name: 'Erika Mustermann', email, phone: '+49 30 901820' } });
    const answer = await this.call('operator', '/api/stores', { method: 'POST', body: JSON.stringify(body) });
    if (answer.status !== 201) throw new Error(`Creating a store: ${answer.status} ${await answer.text()}`);
    return ((await answer.json()) as { id: string }).id;
  }

  /** @throws {Error} if the store cannot be read with its personal data */
  async expectContact(id: string, email: string): Promise<void> {
    const answer = await this.call('operator', `/api/stores/${id}`);
    const { contact } = (await answer.json()) as { contact?: { email: string } };
    if (contact?.email !== email)
      throw new Error(`Store ${id} is read with ${answer.status}, without its contact`);
  }

  async call(role: Role, path: string, init: RequestInit = {}): Promise<Response> {
    const { keys } = await this.keysFile();
    const headers = { Authorization: `Bearer ${keys[role]}`, 'Content-Type': 'application/json' };
    return fetch(`${this.url}${path}`, { ...init, headers });
  }
}

function isAsItShouldBe({ State, Health, ExitCode }: ContainerState): boolean {
  return State === 'exited' ? ExitCode === 0 : State === 'running' && Health === 'healthy';
}
