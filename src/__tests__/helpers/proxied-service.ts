import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import supertest, { type Test } from 'supertest';
import { waitUntil } from '../../dev/wait-until.js';
import { loadConfig } from '../../shared/config/config.js';
import { type Context, createContext } from '../../store-service/context.js';
import { TcpProxy } from './tcp-proxy.js';
import { recordingLogger } from './test-app.js';
import { type Caller, type Environment, testEnvironment, TestService, tokenOf } from './test-service.js';

/** Instances of the service on the database of a test service, each with a proxy in front of both nodes. */
export class ProxiedServices {
  readonly #service: TestService;
  readonly #running: Proxied[] = [];

  constructor(service: TestService) {
    this.#service = service;
  }

  async start(overrides: Environment = {}): Promise<Proxied> {
    const { database, vault } = this.#service;
    const proxies = [
      await TcpProxy.inFrontOf(database.appUrl),
      await TcpProxy.inFrontOf(database.replicaAppUrl),
    ] as const;
    const urls = [proxies[0].urlOf(database.appUrl), proxies[1].urlOf(database.replicaAppUrl)];
    const config = loadConfig(
      testEnvironment({
        DATABASE_URLS: urls.join(','),
        DATABASE_MAX_LAG_MS: '1',
        ...vault.environment,
        ...overrides,
      }),
    );
    const { logger, lines } = recordingLogger();
    try {
      const context = await createContext(config, { logger });
      const proxied = new Proxied(this.#service, context, proxies, config.journal.folder, lines);
      this.#running.push(proxied);
      return proxied;
    } catch (error) {
      await Promise.all(proxies.map((proxy) => proxy.close()));
      throw error;
    }
  }

  async closeAll(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((instance) => instance.close()));
  }
}

/** A test service for a whole file, and what is started beside it for each test. To be called once, outside of any test. */
export function useProxiedServices(): () => { service: TestService; services: ProxiedServices } {
  let service: TestService | undefined;
  let services: ProxiedServices | undefined;
  beforeAll(async () => {
    service = await TestService.start();
    services = new ProxiedServices(service);
  });
  afterEach(() => services?.closeAll());
  afterAll(() => service?.stop());
  return () => {
    if (!service || !services)
      throw new Error('The service is started before the first test, and not earlier');
    return { service, services };
  };
}

/** One instance, and the connections between it and the database. */
export class Proxied {
  #isClosed = false;

  readonly #service: TestService;

  constructor(
    service: TestService,
    readonly context: Context,
    readonly proxies: readonly [TcpProxy, TcpProxy],
    readonly journalFolder: string,
    readonly logLines: readonly string[],
  ) {
    this.#service = service;
  }

  /** In front of the primary. */
  get proxy(): TcpProxy {
    return this.proxies[0];
  }

  send(
    method: 'get' | 'post' | 'put' | 'delete',
    path: string,
    body?: object,
    caller: Caller = 'operator',
  ): Test {
    const agent = supertest(this.context.app);
    const test = agent[method](path)
      .set('Authorization', `Bearer ${tokenOf(caller)}`)
      .expect((response) => {
        this.#service.checkAnswer(method, path, response);
      });
    return body ? test.send(body) : test;
  }

  /** Cuts the way to every node, and waits until that is known. */
  async loseDatabase(): Promise<void> {
    for (const proxy of this.proxies) proxy.refuse();
    await this.#waitForReadiness(
      'the loss of the database',
      ({ databasePrimary }) => databasePrimary === 'down',
    );
  }

  returnDatabase(): void {
    for (const proxy of this.proxies) proxy.accept();
  }

  /** Waits for the end of an operation, which must be like this. @returns the operation */
  async expectEnd(id: unknown, expected: object): Promise<Record<string, unknown>> {
    const { body } = await this.send('get', `/api/operations/${String(id)}`)
      .set('Prefer', 'wait=20')
      .expect(200);
    const operation = body as Record<string, unknown>;
    expect(operation).toMatchObject(expected);
    return operation;
  }

  /** What lies on the disk, as text. */
  async readJournalFiles(): Promise<string[]> {
    const names = await readdir(this.journalFolder);
    return Promise.all(names.map((name) => readFile(join(this.journalFolder, name), 'latin1')));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.context.close();
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
  }

  async #waitForReadiness(
    what: string,
    isReached: (checks: Record<string, string>) => boolean,
  ): Promise<void> {
    await waitUntil(
      what,
      async () => {
        const { body } = await supertest(this.context.app).get('/health/ready');
        return isReached((body as { checks: Record<string, string> }).checks);
      },
      { timeoutMs: 15_000 },
    );
  }
}
