import { createHash, randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { PassThrough } from 'node:stream';
import supertest, { type Test } from 'supertest';
import { type Config, loadConfig } from '../../shared/config/config.js';
import { createLogger } from '../../shared/logging/logger.js';
import type { Role } from '../../shared/services/authenticator.js';
import { type Context, createContext } from '../../store-service/context.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import { OpenApiChecker, type OpenApiDocument } from './openapi-checker.js';

export type Environment = Record<string, string>;

/** An API key: what a caller sends, and what the service is configured with. */
export function makeApiKey(id: string, role: Role): { token: string; record: string } {
  const secret = randomBytes(32).toString('base64url');
  const hash = createHash('sha256').update(secret).digest('hex');
  return { token: `spk_${id}_${secret}`, record: `${id}:${role}:${hash}` };
}

const keys = {
  viewer: makeApiKey('test-viewer', 'viewer'),
  operator: makeApiKey('test-operator', 'operator'),
  admin: makeApiKey('test-admin', 'admin'),
  second: makeApiKey('second-operator', 'operator'),
};

export type Caller = keyof typeof keys;

export function tokenOf(caller: Caller): string {
  return keys[caller].token;
}

/** Keys that are the same for every service of this run, so that two instances understand each other. */
const fieldEncryptionKey = randomBytes(32).toString('base64');
const signingKey = randomBytes(32).toString('base64');

export function testEnvironment(overrides: Environment = {}): Environment {
  return {
    NODE_ENV: 'test',
    PORT: '0',
    LOG_LEVEL: 'debug',
    DATABASE_FAILOVER_WAIT_MS: '500',
    // a crowded machine is no reason to give a node up
    DATABASE_PROBE_TIMEOUT_MS: '5000',
    DATABASE_URLS: 'postgresql://nobody:nothing@127.0.0.1:1/none',
    API_KEYS: Object.values(keys)
      .map(({ record }) => record)
      .join(','),
    FIELD_ENCRYPTION_KEY: fieldEncryptionKey,
    SIGNING_KEY: signingKey,
    ...overrides,
  };
}

/** The service on a database of its own, called over real sockets; every answer is held against the OpenAPI document. */
export class TestService {
  readonly database: TestDatabase;
  readonly config: Config;
  readonly context: Context;
  /** The log so far, a line each. */
  readonly logLines: string[];
  readonly #checker: OpenApiChecker;

  private constructor(
    database: TestDatabase,
    config: Config,
    context: Context,
    logLines: string[],
    checker: OpenApiChecker,
  ) {
    this.database = database;
    this.config = config;
    this.context = context;
    this.logLines = logLines;
    this.#checker = checker;
  }

  static async start(overrides: Environment = {}): Promise<TestService> {
    const database = await createTestDatabase();
    const urls = `${database.appUrl},${database.replicaAppUrl}`;
    // the primary answers unless a test is about replicas: callers see what others wrote
    const config = loadConfig(
      testEnvironment({ DATABASE_URLS: urls, DATABASE_MAX_LAG_MS: '1', ...overrides }),
    );
    const logLines: string[] = [];
    const stream = new PassThrough().on('data', (line: Buffer) => logLines.push(line.toString()));
    const context = await createContext(config, { logger: createLogger({ level: 'debug', stream }) });
    const checker = new OpenApiChecker(await readOpenApi(context.app));
    return new TestService(database, config, context, logLines, checker);
  }

  async stop(): Promise<void> {
    await this.context.close();
    await this.database.drop();
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

  /** @param caller undefined sends no credential */
  request(method: string, path: string, caller?: Caller): Test {
    const agent = supertest(this.context.app);
    const name = method.toLowerCase() as 'get' | 'post' | 'put' | 'delete' | 'patch' | 'head' | 'options';
    const test = agent[name](path).expect((response) => {
      this.#checker.check(method, path.split('?', 1)[0] ?? '', response);
    });
    return caller ? test.set('Authorization', `Bearer ${tokenOf(caller)}`) : test;
  }
}

async function readOpenApi(app: RequestListener): Promise<OpenApiDocument> {
  const response = await supertest(app).get('/openapi.json').expect(200);
  return response.body as OpenApiDocument;
}
