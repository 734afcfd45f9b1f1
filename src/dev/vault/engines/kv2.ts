import type { TimerClock } from '../../../shared/timer-clock.js';
import type { Engine, EngineReply, EngineRequest, Fields } from '../engine.js';
import { notFound, unsupported, VaultFault } from '../engine.js';
import { integer, record, timestamp } from '../fields.js';

interface Version {
  data: Fields | null;
  readonly createdAtMs: number;
  deletedAtMs: number | undefined;
  destroyed: boolean;
}

interface Secret {
  readonly versions: Map<number, Version>;
  readonly createdAtMs: number;
  updatedAtMs: number;
  current: number;
  maxVersions: number;
  casRequired: boolean;
  customMetadata: Fields | null;
}

const defaultMaxVersions = 10;

/** Key/value secrets, version 2: versions, check-and-set, soft deletion. */
export class Kv2Engine implements Engine {
  readonly #clock: TimerClock;
  readonly #secrets = new Map<string, Secret>();

  constructor(clock: TimerClock) {
    this.#clock = clock;
  }

  exists({ path }: EngineRequest): boolean {
    const [area, name] = split(path);
    return area !== 'data' || this.#secrets.has(name);
  }

  handle(request: EngineRequest): EngineReply {
    const [area, name] = split(request.path);
    const isWrite = request.operation === 'create' || request.operation === 'update';
    if (area === 'metadata' && request.operation === 'list') return this.#list(name);
    if (area === 'data' && request.operation === 'read') return this.#read(name, request.query);
    if (area === 'data' && isWrite) return this.#write(name, request.body);
    if (area === 'data' && request.operation === 'delete') return this.#softDelete(name, undefined);
    if (area === 'delete' && isWrite) return this.#softDelete(name, versionsOf(request.body));
    if (area === 'undelete' && isWrite) return this.#undelete(name, versionsOf(request.body));
    if (area === 'destroy' && isWrite) return this.#destroy(name, versionsOf(request.body));
    if (area === 'metadata' && request.operation === 'read') return this.#readMetadata(name);
    if (area === 'metadata' && isWrite) return this.#writeMetadata(name, request.body);
    if (area === 'metadata' && request.operation === 'delete') {
      this.#secrets.delete(name);
      return {};
    }
    if (['data', 'metadata', 'delete', 'undelete', 'destroy'].includes(area)) throw unsupported();
    return { status: 404, data: null, warnings: ['Invalid path for a versioned K/V secrets engine.'] };
  }

  #read(name: string, query: URLSearchParams): EngineReply {
    const secret = this.#secrets.get(name);
    const number = Number(query.get('version') ?? 0) || (secret?.current ?? 0);
    const version = secret?.versions.get(number);
    if (!secret || !version) throw notFound();
    const isGone = version.destroyed || version.deletedAtMs !== undefined;
    // A deleted version is a 404 that still says everything about itself.
    return {
      status: isGone ? 404 : 200,
      data: { data: isGone ? null : version.data, metadata: describe(secret, number, version) },
    };
  }

  #write(name: string, body: Fields): EngineReply {
    const data = record(body['data']);
    if (!data) throw new VaultFault(400, 'no data provided');
    const secret = this.#secrets.get(name);
    const cas = integer(record(body['options']) ?? {}, 'cas');
    if (cas === undefined && secret?.casRequired) {
      throw new VaultFault(400, 'check-and-set parameter required for this call');
    }
    if (cas !== undefined && cas !== (secret?.current ?? 0)) {
      throw new VaultFault(400, 'check-and-set parameter did not match the current version');
    }
    const target = secret ?? this.#create(name);
    const version = {
      data,
      createdAtMs: this.#clock.now().getTime(),
      deletedAtMs: undefined,
      destroyed: false,
    };
    target.current += 1;
    target.updatedAtMs = version.createdAtMs;
    target.versions.set(target.current, version);
    target.versions.delete(target.current - (target.maxVersions || defaultMaxVersions));
    return { data: describe(target, target.current, version) };
  }

  #create(name: string): Secret {
    const now = this.#clock.now().getTime();
    const secret: Secret = {
      versions: new Map(),
      createdAtMs: now,
      updatedAtMs: now,
      current: 0,
      maxVersions: 0,
      casRequired: false,
      customMetadata: null,
    };
    this.#secrets.set(name, secret);
    return secret;
  }

  #softDelete(name: string, numbers: readonly number[] | undefined): EngineReply {
    for (const version of this.#versions(name, numbers)) version.deletedAtMs ??= this.#clock.now().getTime();
    return {};
  }

  #undelete(name: string, numbers: readonly number[]): EngineReply {
    for (const version of this.#versions(name, numbers)) version.deletedAtMs = undefined;
    return {};
  }

  #destroy(name: string, numbers: readonly number[]): EngineReply {
    for (const version of this.#versions(name, numbers))
      Object.assign(version, { data: null, destroyed: true });
    return {};
  }

  #versions(name: string, numbers: readonly number[] | undefined): Version[] {
    const secret = this.#secrets.get(name);
    const wanted = numbers ?? [secret?.current ?? 0];
    return wanted.map((number) => secret?.versions.get(number)).filter((version) => version !== undefined);
  }

  #readMetadata(name: string): EngineReply {
    const secret = this.#secrets.get(name);
    if (!secret) throw notFound();
    const versions = [...secret.versions].map(
      ([number, version]) => [String(number), timesOf(version)] as const,
    );
    return {
      data: {
        cas_required: secret.casRequired,
        created_time: timestamp(secret.createdAtMs),
        current_version: secret.current,
        custom_metadata: secret.customMetadata,
        delete_version_after: '0s',
        max_versions: secret.maxVersions,
        oldest_version: 0,
        updated_time: timestamp(secret.updatedAtMs),
        versions: Object.fromEntries(versions),
      },
    };
  }

  #writeMetadata(name: string, body: Fields): EngineReply {
    const secret = this.#secrets.get(name) ?? this.#create(name);
    secret.maxVersions = integer(body, 'max_versions') ?? secret.maxVersions;
    secret.casRequired =
      body['cas_required'] === undefined ? secret.casRequired : body['cas_required'] === true;
    secret.customMetadata = record(body['custom_metadata']) ?? secret.customMetadata;
    return {};
  }

  /** The next level below a folder; deeper ones end in a slash. */
  #list(folder: string): EngineReply {
    const prefix = folder === '' ? '' : `${folder}/`;
    const keys = [...this.#secrets.keys()]
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length).replace(/\/.*/, '/'));
    if (keys.length === 0) throw notFound();
    return { data: { keys: [...new Set(keys)].sort() } };
  }
}

function split(path: string): [area: string, name: string] {
  const at = path.indexOf('/');
  return at === -1 ? [path, ''] : [path.slice(0, at), path.slice(at + 1)];
}

function versionsOf(body: Fields): number[] {
  const { versions } = body;
  if (!Array.isArray(versions) || versions.length === 0)
    throw new VaultFault(400, 'no version number provided');
  return versions.map(Number);
}

function timesOf(version: Version): Fields {
  return {
    created_time: timestamp(version.createdAtMs),
    deletion_time: version.deletedAtMs === undefined ? '' : timestamp(version.deletedAtMs),
    destroyed: version.destroyed,
  };
}

function describe(secret: Secret, number: number, version: Version): Fields {
  return { ...timesOf(version), custom_metadata: secret.customMetadata, version: number };
}
