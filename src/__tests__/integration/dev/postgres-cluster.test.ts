import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { findFreePort } from '../../../dev/free-port.js';
import { withClient, type Login } from '../../../dev/postgres/admin-client.js';
import { DataFolder } from '../../../dev/postgres/data-folder.js';
import { PostgresCluster, type PostgresClusterOptions } from '../../../dev/postgres/postgres-cluster.js';
import { preparePostgresRuntime, type PostgresRuntime } from '../../../dev/postgres/postgres-runtime.js';
import type { PostgresServer } from '../../../dev/postgres/postgres-server.js';
import { launchServer } from '../../../dev/postgres/server-launch.js';
import { findServerProcesses } from '../../../dev/postgres/server-processes.js';
import { renderSettings } from '../../../dev/postgres/server-settings.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { copyFolder } from '../../helpers/prepared-data-dir.js';
import {
  createTemporaryFolder,
  removeTemporaryFolders,
  useTemporaryFolder,
} from '../../helpers/temporary-folder.js';

let runtime: PostgresRuntime;
/** A stopped cluster that has been started once: copying it takes a fraction of the time of a first start. */
let original: string;
const clusters: PostgresCluster[] = [];

beforeAll(async () => {
  runtime = await preparePostgresRuntime();
  original = await createTemporaryFolder();
  const cluster = await PostgresCluster.open({ folder: original, runtime, durable: false });
  await cluster.start();
  await cluster.stop();
});

afterAll(() => rm(original, { recursive: true }));

afterEach(async () => {
  await Promise.all(clusters.splice(0).map((cluster) => cluster.stop('immediate')));
  await removeTemporaryFolders();
});

async function open(folder: string, options: Partial<PostgresClusterOptions> = {}): Promise<PostgresCluster> {
  const cluster = await PostgresCluster.open({ folder, runtime, durable: false, ...options });
  clusters.push(cluster);
  return cluster;
}

async function startNew(options: Partial<PostgresClusterOptions> = {}): Promise<PostgresCluster> {
  const cluster = await open(await useTemporaryFolder(), options);
  await cluster.start();
  return cluster;
}

async function startCopy(): Promise<PostgresCluster> {
  const folder = await useTemporaryFolder();
  await copyFolder(original, folder);
  const cluster = await open(folder);
  await cluster.start();
  return cluster;
}

const folderOf = (cluster: PostgresCluster): string => join(cluster.nodes[0].data.path, '..');

async function write(cluster: PostgresCluster, mark: string): Promise<void> {
  await withClient(cluster.connectionStrings('owner').primary, async (client) => {
    await client.query('CREATE TABLE IF NOT EXISTS marks (mark text)');
    await client.query('INSERT INTO marks VALUES ($1)', [mark]);
  });
}

async function marksOnReplica(cluster: PostgresCluster): Promise<string[]> {
  await cluster.waitForReplica();
  return withClient(cluster.connectionStrings('owner').replica, async (client) => {
    const { rows } = await client.query<{ mark: string }>('SELECT mark FROM marks ORDER BY mark');
    return rows.map(({ mark }) => mark);
  });
}

/** A mark in the data folder of the replica shows whether it was cloned anew. */
async function tagReplica(cluster: PostgresCluster): Promise<() => Promise<boolean>> {
  const tag = join(cluster.replica.data.path, 'tag');
  await writeFile(tag, '');
  return () =>
    access(tag).then(
      () => true,
      () => false,
    );
}

describe('a new cluster', () => {
  it('gives the replica what is written on the primary, and lets nobody write on the replica', async () => {
    const cluster = await startNew();
    await write(cluster, 'first');
    expect(await marksOnReplica(cluster)).toEqual(['first']);
    const writing = withClient(cluster.connectionStrings('owner').replica, (client) =>
      client.query("INSERT INTO marks VALUES ('no')"),
    );
    await expect(writing).rejects.toMatchObject({ code: '25006' });
  });

  it('sorts by code point, keeps checksums and lets the owner create trigram indexes and group roles', async () => {
    const cluster = await startNew();
    await withClient(cluster.connectionStrings('owner').primary, async (client) => {
      const { rows } = await client.query(
        `SELECT datlocprovider AS provider, datlocale AS locale, pg_encoding_to_char(encoding) AS encoding,
           current_setting('data_checksums') AS checksums FROM pg_database WHERE datname = current_database()`,
      );
      expect(rows).toEqual([{ provider: 'b', locale: 'C.UTF-8', encoding: 'UTF8', checksums: 'on' }]);
      await client.query('CREATE EXTENSION pg_trgm');
      await client.query('CREATE ROLE a_group NOLOGIN');
      await client.query('GRANT a_group TO platform_app');
    });
  });

  it('lets nobody in without the password', async () => {
    const cluster = await startNew();
    const url = cluster.primary.connectionString({ user: 'platform_app', password: 'guess' }, 'postgres');
    await expect(withClient(url, (client) => client.query('SELECT 1'))).rejects.toMatchObject({
      code: '28P01',
    });
  });

  it('takes other ports where the wished ones are taken', async () => {
    const occupant = createServer().listen(0, '127.0.0.1');
    await once(occupant, 'listening');
    const { port } = occupant.address() as AddressInfo;
    try {
      const cluster = await startNew({ ports: [port, port] });
      expect(cluster.primary.port).not.toBe(port);
      expect(cluster.replica.port).not.toBe(port);
      await write(cluster, 'elsewhere');
      expect(await marksOnReplica(cluster)).toEqual(['elsewhere']);
    } finally {
      occupant.close();
    }
  });
});

describe('a start beside another server', () => {
  /** Launches a server that is told the port of `other` and has the same passwords; it leaves no process behind. */
  async function launchAt(other: PostgresServer, superuser: Login, ownSettings = ''): Promise<void> {
    const folder = await useTemporaryFolder();
    await copyFolder(original, folder);
    const data = new DataFolder(join(folder, 'node-1'), runtime);
    const settings = { port: other.port, name: 'node-1', upstream: undefined, durable: false };
    await data.writeFile('postgresql.conf', renderSettings(settings));
    await data.writeFile('postgresql.auto.conf', ownSettings);
    const adminUrl = other.connectionString(superuser, 'postgres');
    await launchServer({ data, logFile: join(folder, 'log'), adminUrl }).finally(async () => {
      expect(await findServerProcesses(data.path)).toEqual([]);
    });
  }

  it.each([
    ['takes', {}],
    ['does not take', { password: 'guess' }],
  ])('does not take for its own the one at its port, which %s its password', async (_name, login) => {
    const { primary, credentials } = await startCopy();
    const launching = launchAt(primary, { ...credentials.superuser, ...login });
    await expect(launching).rejects.toMatchObject({ name: 'PostgresStartError', code: 'EADDRINUSE' });
  });

  it('does not take that for its own either when a setting gave it another port', async () => {
    const { primary, credentials } = await startCopy();
    const launching = launchAt(primary, credentials.superuser, `port = ${await findFreePort()}\n`);
    await expect(launching).rejects.toThrow('another server answers at the port of this one');
  });
});

describe('a cluster that was stopped', () => {
  it('goes on with its data, without cloning the replica again', async () => {
    const first = await startCopy();
    await write(first, 'kept');
    const replicaIsTheSame = await tagReplica(first);
    await first.stop();

    const second = await open(folderOf(first));
    await second.start();
    await write(second, 'more');
    expect(await marksOnReplica(second)).toEqual(['kept', 'more']);
    expect(await replicaIsTheSame()).toBe(true);
  });

  it('clones a replica anew that was deleted, or that does not start', async () => {
    const first = await startCopy();
    await write(first, 'kept');
    await first.stop();
    await rm(first.replica.data.path, { recursive: true });

    const second = await open(folderOf(first));
    await second.start();
    expect(await marksOnReplica(second)).toEqual(['kept']);
    await second.stop();
    await rm(join(second.replica.data.path, 'global', 'pg_control'));

    const third = await open(folderOf(first));
    await third.start();
    expect(await marksOnReplica(third)).toEqual(['kept']);
  });

  it('clones a replica anew for which the primary no longer has the WAL', async () => {
    const first = await startCopy();
    const { primary } = first;
    await primary.withAdmin((client) => client.query("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'"));
    await first.stop();
    await primary.start();
    await write(first, 'unseen');
    await primary.withAdmin(async (client) => {
      for (let segment = 0; segment < 3; segment += 1) {
        await client.query('SELECT pg_switch_wal()');
        await client.query('CHECKPOINT');
      }
      const { rows } = await client.query('SELECT wal_status FROM pg_replication_slots');
      expect(rows).toEqual([{ wal_status: 'lost' }]);
      await client.query('ALTER SYSTEM RESET max_slot_wal_keep_size');
    });
    await first.stop();

    const second = await open(folderOf(first));
    await second.start();
    expect(await marksOnReplica(second)).toEqual(['unseen']);
  });

  it('goes on from the replica when the data of the primary is gone', async () => {
    const first = await startCopy();
    await write(first, 'kept');
    await first.waitForReplica();
    await first.stop();
    await rm(first.primary.data.path, { recursive: true });

    const second = await open(folderOf(first));
    await second.start();
    expect(second.primary.name).toBe('node-2');
    expect(await marksOnReplica(second)).toEqual(['kept']);
  });

  it('refuses to start when the primary is broken, rather than fall back to older data', async () => {
    const first = await startCopy();
    await first.stop();
    await rm(join(first.primary.data.path, 'global', 'pg_control'));
    const second = await open(folderOf(first));
    await expect(second.start()).rejects.toThrow(/did not start.*node-1[^]*pg_control/);
  });

  it('says so when its passwords are gone', async () => {
    const first = await startCopy();
    await first.stop();
    await rm(join(folderOf(first), 'credentials.json'));
    const second = await open(folderOf(first));
    await expect(second.start()).rejects.toThrow('the passwords on file do not fit this database');
  });

  it('leaves nothing behind when it is discarded, not even the processes of a killed run', async () => {
    const cluster = await startCopy();
    const folder = folderOf(cluster);
    const ended = Promise.all(cluster.nodes.map((node) => once(node, 'exit')));
    await PostgresCluster.discard({ folder, runtime });
    await ended;
    await expect(access(folder)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('a cluster after a crash', () => {
  it('recovers what was committed before kill -9, although the pid files are still there', async () => {
    const first = await startCopy();
    await write(first, 'committed');
    const exits = first.nodes.map((node) => once(node, 'exit'));
    await Promise.all(first.nodes.map((node) => node.kill()));
    expect(await Promise.all(exits)).toEqual([
      [{ code: null, signal: 'SIGKILL', expected: false }],
      [{ code: null, signal: 'SIGKILL', expected: false }],
    ]);
    await access(join(first.primary.data.path, 'postmaster.pid'));

    const second = await open(folderOf(first));
    await second.start();
    expect(await marksOnReplica(second)).toEqual(['committed']);
  });

  it('starts when an unrelated process has got the process id of the old server, and leaves it alone', async () => {
    const cluster = await startCopy();
    await cluster.stop();
    // Of the same account, as Postgres ignores processes that it may not signal anyway.
    const unrelated = spawn('sleep', ['60'], { ...runtime.user });
    try {
      for (const node of cluster.nodes) {
        await node.data.writeFile('postmaster.pid', `${String(unrelated.pid)}\n${node.data.path}\n1\n1\n`);
      }
      await cluster.start();
      expect(unrelated.exitCode ?? unrelated.signalCode).toBeNull();
    } finally {
      unrelated.kill();
    }
  });

  it('starts when the pid file was left empty', async () => {
    const cluster = await startCopy();
    await cluster.stop();
    await cluster.primary.data.writeFile('postmaster.pid', '');
    await cluster.start();
    expect(cluster.primary.isRunning).toBe(true);
  });

  it('stops the servers of a killed run, even frozen ones, and takes over', async () => {
    const killed = await startCopy();
    await write(killed, 'kept');
    await killed.primary.pause();
    const ended = Promise.all(killed.nodes.map((node) => once(node, 'exit')));

    const successor = await open(folderOf(killed));
    await successor.start();
    await ended;
    expect(await marksOnReplica(successor)).toEqual(['kept']);
  });

  it('ends backends that outlived their server', async () => {
    const cluster = await startCopy();
    const { primary } = cluster;
    await primary.pause();
    await primary.kill();
    expect(await findServerProcesses(primary.data.path)).not.toEqual([]);
    await primary.start();
    await write(cluster, 'alive');
    expect(await marksOnReplica(cluster)).toEqual(['alive']);
  });
});

describe('after a promotion', () => {
  it('the old primary becomes a replica of the new one and forgets what only it had', async () => {
    const cluster = await startCopy();
    await write(cluster, 'shared');
    await cluster.waitForReplica();
    const oldPrimaryUrl = cluster.connectionStrings('owner').primary;
    await cluster.promoteReplica();
    await withClient(oldPrimaryUrl, (client) => client.query("INSERT INTO marks VALUES ('lost')"));
    await write(cluster, 'new');

    await cluster.reclone(cluster.replica);
    expect(cluster.primary.name).toBe('node-2');
    expect(await marksOnReplica(cluster)).toEqual(['new', 'shared']);
  });

  it('a restart finds the node on the higher timeline and clones the other one', async () => {
    const first = await startCopy();
    await write(first, 'shared');
    await first.waitForReplica();
    await first.primary.kill();
    await first.promoteReplica();
    await write(first, 'new');
    await first.stop();

    const second = await open(folderOf(first));
    await second.start();
    expect(second.primary.name).toBe('node-2');
    expect(await marksOnReplica(second)).toEqual(['new', 'shared']);
  });

  it('the new primary cannot be cloned from itself', async () => {
    const cluster = await startCopy();
    await expect(cluster.reclone(cluster.primary)).rejects.toThrow('node-1 is the primary');
  });
});

describe('stopping', () => {
  it('takes less than 5 s and leaves no process, even if a node is frozen', async () => {
    const cluster = await startCopy();
    await cluster.primary.pause();
    const start = performance.now();
    await cluster.stop();
    expect(performance.now() - start).toBeLessThan(5_000);
    const processes = await Promise.all(cluster.nodes.map((node) => findServerProcesses(node.data.path)));
    expect(processes.flat()).toEqual([]);
  });

  it('gets firmer when clients do not leave', async () => {
    const cluster = await startCopy();
    const session = withClient(cluster.connectionStrings('app').primary, async (client) => {
      await cluster.primary.stop('smart', 100);
      await client.query('SELECT 1');
    });
    await expect(session).rejects.toThrow();
    expect(cluster.primary.isRunning).toBe(false);
  });

  it('is told apart from a crash', async () => {
    const cluster = await startCopy();
    const exit = once(cluster, 'nodeExit');
    await cluster.primary.stop();
    expect(await exit).toEqual([cluster.primary, { code: 0, signal: null, expected: true }]);
  });
});

describe('the log of a server', () => {
  it('begins anew when it has become large', async () => {
    const cluster = await startCopy();
    const { primary } = cluster;
    await primary.stop();
    await writeFile(primary.logFile, 'x'.repeat(11 * 1024 ** 2));
    await primary.start();
    expect(await readFile(primary.logFile, 'utf8')).toMatch(/^[^x][^]*ready to accept connections/);
  });
});

describe('a frozen server', () => {
  it('keeps a query waiting no longer than its time limit, and answers when it goes on', async () => {
    const cluster = await startCopy();
    const url = cluster.connectionStrings('app').primary;
    await withClient(
      url,
      async (client) => {
        await cluster.primary.pause();
        await expect(client.query('SELECT 1')).rejects.toThrow('timeout');
      },
      { queryTimeoutMs: 100 },
    );
    await cluster.primary.resume();
    await waitUntil('the server to answer', () => withClient(url, () => Promise.resolve(true)), {
      timeoutMs: 5_000,
    });
  });

  it('does not start twice', async () => {
    const cluster = await startCopy();
    await expect(cluster.primary.start()).rejects.toThrow('node-1 is running already');
    expect(await readFile(cluster.primary.logFile, 'utf8')).toContain('ready to accept connections');
  });
});
