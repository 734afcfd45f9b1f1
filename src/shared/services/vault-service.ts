import type { TimerClock } from '../timer-clock.js';
import { systemTimerClock } from '../timer-clock.js';
import type { BreakerRegistry } from '../resilience/breaker-registry.js';
import { CredentialRotation } from './vault/credential-rotation.js';
import type { CredentialConsumer } from './vault/credential-rotation.js';
import { dynamicIssuer, staticIssuer } from './vault/database-credentials.js';
import { EnvironmentFallback } from './vault/environment-fallback.js';
import type { LoginStrategy } from './vault/login-strategies.js';
import type { Secret } from './vault/secret.js';
import { SecretReader } from './vault/secret-reader.js';
import { SecretStore } from './vault/secret-store.js';
import { FolderWatch, type FolderState } from './vault/folder-watch.js';
import { Transit } from './vault/transit.js';
import { checkNode, isUsable } from './vault/vault-health.js';
import type { VaultNodeState } from './vault/vault-health.js';
import { noMetrics } from './vault/vault-ports.js';
import type { VaultLog, VaultMetrics } from './vault/vault-ports.js';
import { VaultSession } from './vault/vault-session.js';

export interface VaultServiceConfig {
  /** `http(s)://host:port`. */
  readonly address: string;
  readonly namespace?: string;
  /** Certificate authorities to trust instead of the system's, PEM. */
  readonly ca?: string;
  /** For a whole request; 2 s unless told. */
  readonly timeoutMs?: number;
  /** KV version 2, `secret` unless told. */
  readonly kvMount?: string;
  /** `transit` unless told. */
  readonly transitMount?: string;
  readonly transitKey: string;
  /** `database` unless told. */
  readonly databaseMount?: string;
  /** How long a KV value that was read may stand in while Vault is away; 15 min unless told. */
  readonly lastGoodMs?: number;
  /** Which secrets may come from the environment while Vault is away: path → field → variable. None unless told. */
  readonly environmentFallback?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface VaultServiceDependencies {
  readonly login: LoginStrategy;
  readonly log: VaultLog;
  readonly metrics?: VaultMetrics;
  readonly clock?: TimerClock;
  /** Between 0 and 1, for jitter. */
  readonly random?: () => number;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Gets to know the breakers of all uses, `vault-<use>`. */
  readonly registry?: Pick<BreakerRegistry, 'register'>;
}

export interface VaultHealth {
  /** `up`: everything works; `degraded`: something stands in or is being left alone; `down`: Vault is away, or tells of no caller. */
  readonly status: 'up' | 'degraded' | 'down';
  readonly node: VaultNodeState;
  /** `readable`, or what keeps records of callers from being read. */
  readonly callers: string;
  readonly isSignedIn: boolean;
  readonly leases: readonly {
    readonly path: string;
    readonly state: string;
    readonly expiresInMs?: number;
  }[];
}

/** One look may take more than one request. */
const lookGraceMs = 500;

/** Records of who may call lie below this path; they never fall back to anything. */
export const callersPath = 'api-keys';

/**
 * Secrets, keys and database logins from Vault. It logs in when first needed, keeps its token and leases alive, and
 * while Vault is away lets last-good values stand in until their time is over; then it fails closed.
 */
export class VaultService {
  readonly transit: Transit;
  /** From Vault or not at all: for deciding who may call. */
  readonly callers: SecretStore;
  readonly #session: VaultSession;
  readonly #reader: SecretReader;
  readonly #callersWatch: FolderWatch;
  readonly #fallback: EnvironmentFallback;
  readonly #rotations: CredentialRotation[] = [];
  readonly #databaseMount: string;
  readonly #ports: {
    readonly clock: TimerClock;
    readonly random: () => number;
    readonly log: VaultLog;
    readonly metrics: VaultMetrics;
  };

  /**
   * @throws {TypeError} if the address or a configured path is not allowed
   * @throws {RangeError} if the fallback lists what must never fall back
   */
  constructor(config: VaultServiceConfig, dependencies: VaultServiceDependencies) {
    const { login, log, metrics = noMetrics, clock = systemTimerClock, random = Math.random } = dependencies;
    const mount = config.kvMount ?? 'secret';
    this.#ports = { clock, random, log, metrics };
    this.#databaseMount = config.databaseMount ?? 'database';
    this.#fallback = new EnvironmentFallback({
      allow: config.environmentFallback ?? {},
      env: dependencies.env ?? process.env,
      forbidden: [callersPath, config.transitMount ?? 'transit'],
    });
    const connection = {
      address: config.address,
      ...(config.namespace !== undefined && { namespace: config.namespace }),
      ...(config.ca !== undefined && { ca: config.ca }),
      timeoutMs: config.timeoutMs ?? 2000,
      maxResponseBytes: 4 * 1024 * 1024,
      maxSockets: 32,
    };
    this.#session = new VaultSession({
      connection,
      login,
      ...this.#ports,
      ...(dependencies.registry && { registry: dependencies.registry }),
    });
    this.#reader = new SecretReader({
      session: this.#session,
      mount,
      lastGoodMs: config.lastGoodMs ?? 15 * 60_000,
      fallback: this.#fallback,
      ...this.#ports,
    });
    this.#callersWatch = new FolderWatch({
      session: this.#session,
      mount,
      folder: callersPath,
      timeoutMs: connection.timeoutMs + lookGraceMs,
      ...this.#ports,
    });
    this.callers = new SecretStore({
      session: this.#session,
      mount,
      folder: callersPath,
      reader: this.#reader,
      watch: this.#callersWatch,
    });
    this.transit = new Transit({
      session: this.#session,
      mount: config.transitMount ?? 'transit',
      keyName: config.transitKey,
      log,
      metrics,
    });
    this.#session.tokens.onReplaced(() => {
      for (const rotation of this.#rotations) rotation.rotateSoon();
    });
  }

  /**
   * Logs in now, unless it has; every call does so when it needs to.
   * @throws {VaultError | BreakerOpenError | BreakerTimeoutError}
   */
  signIn(): Promise<void> {
    return this.#session.tokens.signIn();
  }

  /** The newest version of a secret, or what may stand in for it. @throws like `SecretReader.read` */
  readSecret(path: string): Promise<Secret> {
    return this.#reader.read(path);
  }

  /** A certain version of a secret. @throws like `SecretReader.read` */
  readSecretVersion(path: string, version: number): Promise<Secret> {
    return this.#reader.readVersion(path, version);
  }

  /** Supplies a consumer with logins of a dynamic or static role, from `start()` to `close()`. */
  supplyDatabaseCredentials(
    role: { readonly kind: 'dynamic' | 'static'; readonly name: string },
    consumer: CredentialConsumer,
  ): CredentialRotation {
    const makeIssuer = role.kind === 'dynamic' ? dynamicIssuer : staticIssuer;
    const rotation = new CredentialRotation({
      issuer: makeIssuer(this.#session, this.#databaseMount, role.name),
      consumer,
      fallback: this.#fallback,
      ...this.#ports,
    });
    this.#rotations.push(rotation);
    return rotation;
  }

  /** Whether Vault answered lately; asks nobody. */
  get isAnswering(): boolean {
    return this.#session.isAnswering;
  }

  /** Whether records of callers can be read, as of the last look; asks for nothing itself. */
  get callersState(): FolderState {
    return this.#callersWatch.state;
  }

  /** Looks every few seconds whether records of callers can be read, until `close()`. Resolves after the first look. */
  watchCallers(): Promise<void> {
    return this.#callersWatch.start();
  }

  /** Asks the node and tells the state of everything. Never rejects for anything that Vault does. */
  async health(): Promise<VaultHealth> {
    const node = await checkNode(this.#session.client);
    const leases = this.#rotations.map((rotation) => this.#describeLease(rotation));
    const isWell =
      this.#session.isWhole && leases.every(({ state }) => state === 'held' || state === 'permanent');
    const callers = this.#callersWatch.state;
    return {
      status: !isUsable(node) || !callers.isReadable ? 'down' : isWell ? 'up' : 'degraded',
      node,
      callers: callers.isReadable ? 'readable' : callers.reason,
      isSignedIn: this.#session.tokens.isSignedIn,
      leases,
    };
  }

  /** Gives leases and the token back. Nothing may be asked of it afterwards. */
  async close(): Promise<void> {
    this.#callersWatch.stop();
    await Promise.all(this.#rotations.map((rotation) => rotation.stop()));
    await this.#session.close();
  }

  #describeLease(rotation: CredentialRotation): VaultHealth['leases'][number] {
    const { path, renewalState } = rotation;
    if (renewalState.name !== 'held') return { path, state: renewalState.name };
    const expiresInMs = Math.round(renewalState.expiresAtMs - this.#ports.clock.monotonicMs());
    return { path, state: 'held', expiresInMs };
  }
}
