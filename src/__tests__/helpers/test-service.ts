import { randomBytes, randomUUID } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import supertest, { type Response, type Test } from 'supertest';
import { type Config, loadConfig } from '../../shared/config/config.js';
import { createLogger } from '../../shared/logging/logger.js';
import type { Role } from '../../shared/services/authenticator.js';
import { type Context, createContext } from '../../store-service/context.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import { OpenApiChecker, type OpenApiDocument } from './openapi-checker.js';
import { type TestCaller, TestVault } from './test-vault.js';

export type Environment = Record<string, string>;

function makeCaller(id: string, role: Role): TestCaller {
  return { id, role, secret: randomBytes(32).toString('base64url') };
}

const callers = {
  viewer: makeCaller('test-viewer', 'viewer'),
  operator: makeCaller('test-operator', 'operator'),
  admin: makeCaller('test-admin', 'admin'),
  second: makeCaller('second-operator', 'operator'),
};

export type Caller = keyof typeof callers;

export function tokenOf(caller: Caller): string {
  const { id, secret } = callers[caller];
  return `spk_${id}_${secret}`;
}

/** An API key with a secret that nobody was given. */
export function forgedKey(id: string): string {
  return `spk_${id}_${randomBytes(32).toString('base64url')}`;
}

/** An environment that is valid, though nothing answers at its addresses. */
export function testEnvironment(overrides: Environment = {}): Environment {
  return {
    NODE_ENV: 'test',
    PORT: '0',
    LOG_LEVEL: 'debug',
    DATABASE_FAILOVER_WAIT_MS: '500',
    // a crowded machine is no reason to give a node up
    DATABASE_PROBE_TIMEOUT_MS: '5000',
    DATABASE_CONNECT_TIMEOUT_MS: '15000',
    DATABASE_URLS: 'postgresql://nobody:nothing@127.0.0.1:1/none',
    // it goes at the end of the run
    JOURNAL_DIR: join(process.env['TEST_RUN_FOLDER'] ?? tmpdir(), `journal-${randomUUID()}`),
    VAULT_ADDR: 'http://127.0.0.1:1',
    VAULT_AUTH: 'token',
    VAULT_TOKEN: 'none',
    ...overrides,
  };
}

/** A Vault that knows the callers of the tests. */
export function startTestVault(): Promise<TestVault> {
  return TestVault.start(Object.values(callers));
}

/** The service on a database of its own, called over real sockets; every answer is held against the OpenAPI document. */
export class TestService {
  readonly database: TestDatabase;
  readonly vault: TestVault;
  readonly config: Config;
  readonly context: Context;
  /** The log so far, a line each. */
  readonly logLines: string[];
  readonly #checker: OpenApiChecker;

  private constructor(
    database: TestDatabase,
    vault: TestVault,
    config: Config,
    context: Context,
    logLines: string[],
    checker: OpenApiChecker,
  ) {
    this.database = database;
    this.vault = vault;
    this.config = config;
    this.context = context;
    this.logLines = logLines;
    this.#checker = checker;
  }

  /** @param wayTo puts something in front of a database, and says where */
  static async start(
    overrides: Environment = {},
    wayTo: (url: string) => string | Promise<string> = (url) => url,
  ): Promise<TestService> {
    const [database, vault] = await Promise.all([createTestDatabase(), startTestVault()]);
    const urls = `${await wayTo(database.appUrl)},${await wayTo(database.replicaAppUrl)}`;
    // the primary answers unless a test is about replicas: callers see what others wrote
    const defaults = {
      DATABASE_URLS: urls,
      DATABASE_MAX_LAG_MS: '1',
      ...vault.environment,
    };
    const config = loadConfig(testEnvironment({ ...defaults, ...overrides }));
    const logLines: string[] = [];
    const stream = new PassThrough().on('data', (line: Buffer) => logLines.push(line.toString()));
    const context = await createContext(config, { logger: createLogger({ level: 'debug', stream }) });
    const checker = new OpenApiChecker(await readOpenApi(context.app));
    return new TestService(database, vault, config, context, logLines, checker);
  }

  async stop(): Promise<void> {
    await this.context.close();
    await this.vault.close();
    await this.database.drop();
  }

  /** Instances that remember the caller learn of it after half a minute at most. */
  changeRole(caller: Caller, role: Role): Promise<void> {
    return this.vault.keep({ ...callers[caller], role });
  }

  /** The same holds; `changeRole` gives the key back. */
  revokeKey(caller: Caller): Promise<void> {
    return this.vault.revoke(callers[caller]);
  }

  get(path: string, caller: Caller = 'operator'): Test {
    return this.request('GET', path, caller);
  }

  post(path: string, body: object, caller: Caller = 'operator'): Test {
    return this.request('POST', path, caller).send(body);
  }

  put(path: string, body: object, caller: Caller = 'operator'): Test {
    return this.request('PUT', path, caller).send(body);
  }

  delete(path: string, caller: Caller = 'operator'): Test {
    return this.request('DELETE', path, caller);
  }

  /** Holds an answer against the OpenAPI document. @throws {Error} naming what is not as it says */
  checkAnswer(method: string, path: string, response: Response): void {
    this.#checker.check(method, path.split('?', 1)[0] ?? '', response);
  }

  /** @param caller undefined sends no credential */
  request(method: string, path: string, caller?: Caller): Test {
    const agent = supertest(this.context.app);
    const name = method.toLowerCase() as 'get' | 'post' | 'put' | 'delete' | 'patch' | 'head' | 'options';
    const test = agent[name](path).expect((response) => {
      this.checkAnswer(method, path, response);
    });
    return caller ? test.set('Authorization', `Bearer ${tokenOf(caller)}`) : test;
  }
}

async function readOpenApi(app: RequestListener): Promise<OpenApiDocument> {
  const response = await supertest(app).get('/openapi.json').expect(200);
  return response.body as OpenApiDocument;
}
