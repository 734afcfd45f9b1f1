import { strict as assert } from 'node:assert';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { PostgresServer } from '../../../dev/postgres/postgres-server.js';
import { waitUntil } from '../../../dev/wait-until.js';
import type { FaultCluster } from '../../helpers/fault-cluster.js';
import { FaultProxy } from '../../helpers/fault-proxy.js';
import type { SeededRandom } from '../../helpers/seeded-random.js';
import type { CanaryWatch } from './canary-watch.js';
import { HttpCaller, jsonOf, type Reply } from './http-caller.js';
import { HttpRecorder } from './http-recorder.js';
import { LabVault } from './lab-vault.js';
import { readTruth } from './read-truth.js';
import { checkService, describeFindings, type Verdict } from './service-checker.js';
import { ServiceProcess } from './service-process.js';
import { provisionStaticLogin } from './static-login.js';
import type { PersonalData } from './store-body.js';

export interface ServiceLabOptions {
  /** Variables that differ from the lab's. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether Vault makes the logins for the database; else they are in the connection strings. */
  readonly hasVaultLogins?: boolean;
  /** How long such a login lives, renewals included, such as `45s`; an hour, renewed, unless told. */
  readonly loginTtl?: string;
  /** How often Vault changes the password of one login, such as `5s`, in place of logins that come and go. */
  readonly passwordPeriod?: string;
}

const recoveryMs = 30_000;
const drainMs = 120_000;

/** What a scenario of the whole service works with: a cluster and a Vault behind proxies, and the service as a process. */
export class ServiceLab {
  readonly #recorders: HttpRecorder[] = [];
  readonly #services: ServiceProcess[] = [];
  readonly #callers = new Map<ServiceProcess, HttpCaller>();

  private constructor(
    readonly cluster: FaultCluster,
    readonly random: SeededRandom,
    readonly canaries: CanaryWatch,
    readonly vault: LabVault,
    readonly proxies: readonly [FaultProxy, FaultProxy],
    readonly folder: string,
    readonly service: ServiceProcess,
    readonly environment: Readonly<Record<string, string>>,
    readonly personal: PersonalData,
  ) {
    this.#services.push(service);
  }

  static async open(
    cluster: FaultCluster,
    random: SeededRandom,
    canaries: CanaryWatch,
    { environment = {}, hasVaultLogins = false, loginTtl, passwordPeriod }: ServiceLabOptions = {},
  ): Promise<ServiceLab> {
    const [first, second] = cluster.nodes;
    const proxies = [
      await FaultProxy.start(() => first.port),
      await FaultProxy.start(() => second.port),
    ] as const;
    const vault = await LabVault.start({
      ...(hasVaultLogins && {
        database: { ...cluster.forVault(), ...(loginTtl !== undefined && { maxTtl: loginTtl }) },
      }),
      onSecret: (name, value) => {
        canaries.guard(name, value);
      },
    });
    const folder = await mkdtemp(join(cluster.folder, 'service-'));
    const variables = {
      NODE_ENV: 'test',
      LOG_LEVEL: 'info',
      DATABASE_URLS: cluster.nodes
        .map((node, index) => proxies[index === 0 ? 0 : 1].urlOf(urlFor(cluster, node, hasVaultLogins)))
        .join(','),
      RATE_LIMIT_REQUESTS: '10000000',
      JOURNAL_DIR: join(folder, 'journal'),
      ...vault.environment,
      ...(passwordPeriod !== undefined && (await provisionStaticLogin(cluster, vault, passwordPeriod))),
      ...environment,
    };
    const mark = randomUUID().slice(0, 8);
    const personal = {
      name: `Canary ${mark}`,
      email: `canary-${mark}@stores.example.com`,
      phone: `+4930${String(parseInt(mark, 16)).padStart(8, '0').slice(0, 8)}`,
    };
    for (const [name, value] of Object.entries({ ...personal, ...vault.secrets, ...cluster.passwords })) {
      canaries.guard(name, value);
    }
    const service = await ServiceProcess.prepare({ name: 'the service', environment: variables, canaries });
    const lab = new ServiceLab(
      cluster,
      random,
      canaries,
      vault,
      proxies,
      folder,
      service,
      variables,
      personal,
    );
    try {
      await service.start();
      await lab.untilReady();
    } catch (error) {
      await lab.close();
      throw error;
    }
    return lab;
  }

  proxyOf(node: PostgresServer): FaultProxy {
    return node === this.cluster.nodes[0] ? this.proxies[0] : this.proxies[1];
  }

  /** Another process of the service; on the same journal unless told otherwise. Not started yet. */
  async another(name: string, environment: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
    const service = await ServiceProcess.prepare({
      name,
      environment: { ...this.environment, ...environment },
      canaries: this.canaries,
    });
    this.#services.push(service);
    return service;
  }

  /** Something to look for, to be put where it may be seen by the service only. */
  mark(name: string): string {
    const value = `canary-${randomUUID()}`;
    this.canaries.guard(name, value);
    return value;
  }

  recorder(service = this.service): HttpRecorder {
    const recorder = new HttpRecorder({
      port: () => service.port,
      keyOf: (caller) => this.vault.keyOf(caller),
      random: this.random,
      personal: this.personal,
      onReply: (reply) => {
        if (reply.status === 202 || reply.status >= 400) this.canaries.look('an answer', reply.text);
      },
    });
    this.#recorders.push(recorder);
    return recorder;
  }

  /** Clients at work, each of which has been acknowledged a few times. */
  async load(clients: number, ...mix: [] | [Parameters<HttpRecorder['start']>[1]]): Promise<HttpRecorder> {
    const recorder = this.recorder();
    recorder.start(clients, ...mix);
    await waitUntil('writes to flow', () => recorder.acknowledged() > 3 * clients, {
      timeoutMs: recoveryMs,
    });
    return recorder;
  }

  /** Asks a service as an operator, unless told otherwise. */
  async ask(
    method: string,
    path: string,
    options: Parameters<HttpCaller['call']>[2] = {},
    service = this.service,
  ): Promise<Reply> {
    const reply = await this.#callerOf(service).ask(method, path, {
      key: this.vault.keyOf('operator'),
      ...options,
    });
    if (reply.status >= 400 || path === '/metrics') this.canaries.look(`${method} ${path}`, reply.text);
    return reply;
  }

  #callerOf(service: ServiceProcess): HttpCaller {
    const caller = this.#callers.get(service) ?? new HttpCaller(service.port);
    this.#callers.set(service, caller);
    return caller;
  }

  /** Until the service says that it serves its whole purpose, or at least this much. */
  async untilReady(statuses: readonly string[] = ['ok']): Promise<void> {
    await waitUntil(
      `the service to be ${statuses.join(' or ')}`,
      async () => {
        const reply = await this.#callerOf(this.service).call('GET', '/health/ready', { timeoutMs: 2_000 });
        return typeof reply !== 'string' && statuses.includes(String(jsonOf(reply)['status']));
      },
      { timeoutMs: recoveryMs },
    );
  }

  /** Everything works again: network, Vault, both nodes, the service. */
  async heal(): Promise<void> {
    for (const proxy of this.proxies) await proxy.setMode({ kind: 'pass' });
    await this.vault.mend();
    await this.cluster.mend();
    if (!this.service.isRunning) await this.service.start();
    await this.untilReady();
  }

  /** Stops the clients, lets what was accepted come to its end, and holds all they were told against the primary. */
  async check(recorder: HttpRecorder): Promise<Verdict> {
    await recorder.stop();
    await recorder.followOperations(drainMs);
    const verdict = await this.judge(recorder);
    const findings = describeFindings(verdict);
    assert.equal(findings, '', findings);
    return verdict;
  }

  async judge(recorder: HttpRecorder): Promise<Verdict> {
    const { cluster } = this;
    return checkService(recorder.writes, await readTruth(cluster, cluster.primary, recorder.prefix));
  }

  /** Ends the service and everything around it but the cluster. Looks for canaries in what it leaves behind. */
  async close(): Promise<void> {
    await Promise.all(this.#recorders.map((recorder) => recorder.stop()));
    for (const recorder of this.#recorders) recorder.close();
    for (const service of this.#services.filter(({ isRunning }) => isRunning)) {
      const reply = await this.#callerOf(service).call('GET', '/metrics', { timeoutMs: 2_000 });
      if (typeof reply !== 'string') this.canaries.look('/metrics', reply.text);
    }
    for (const caller of this.#callers.values()) caller.close();
    await Promise.all(this.#services.map((service) => service.kill('SIGKILL')));
    await this.#lookThroughFiles();
    await this.vault.close();
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
    await rm(this.folder, { recursive: true, force: true });
  }

  async #lookThroughFiles(): Promise<void> {
    for (const file of await readdir(this.folder, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      this.canaries.look(file.name, await readFile(join(file.parentPath, file.name), 'latin1'));
    }
  }
}

function urlFor(cluster: FaultCluster, node: PostgresServer, isWithoutLogin: boolean): string {
  const url = new URL(cluster.appUrl(node));
  if (isWithoutLogin) url.username = url.password = '';
  return url.href;
}
