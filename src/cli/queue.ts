import { confirm } from '../shared/process/confirm.js';
import { ServiceClient, type ServiceOptions } from './service-client.js';
import { printable, writeTable } from './table.js';
import type { CliProcess } from './program.js';
import { UsageError } from './usage-error.js';

interface QueueEntry {
  readonly id: string;
  readonly state: string;
  readonly kind: string;
  readonly storeId?: string;
  readonly acceptedAt: string;
  readonly acceptedBy: string;
  readonly attempts: number;
  readonly bytes: number;
  readonly reason?: string;
  readonly parkedAt?: string;
  readonly settledAt?: string;
  readonly write?: object;
  readonly unreadable?: string;
}

interface QueueStats {
  readonly queued: number;
  readonly parked: number;
  readonly unconfirmed: number;
  readonly settled: number;
  readonly oldestAgeMs: number;
  readonly fullBy?: string;
  readonly failure?: { readonly reason: string };
  readonly stalled?: { readonly reason: string; readonly since: string };
}

interface QueuePage {
  readonly items: readonly QueueEntry[];
  readonly next?: string;
  readonly stats: QueueStats;
}

interface QueueListing {
  readonly items: readonly QueueEntry[];
  readonly stats: QueueStats;
  readonly hasMore: boolean;
}

export interface ListOptions extends ServiceOptions {
  /** `all` for every state; without one, what waits is listed. */
  readonly state?: string;
  readonly limit: number;
  readonly json?: boolean;
}

export interface ShowOptions extends ServiceOptions {
  readonly json?: boolean;
}

export interface ChangeOptions extends ShowOptions {
  readonly reason: string;
}

export interface DropOptions extends ChangeOptions {
  readonly yes?: boolean;
}

const maxPageSize = 200;

export async function listQueue(options: ListOptions, cli: CliProcess): Promise<void> {
  const client = await ServiceClient.open(options, cli.env);
  const { items, stats, hasMore } = await readEntries(client, options);
  if (options.json) {
    writeJson(cli, { items, stats });
    return;
  }
  if (items.length > 0) writeTable(cli.stdout, [headings, ...items.map(toRow)]);
  cli.stdout.write(`${summaryOf(stats)}\n`);
  if (hasMore) cli.stderr.write(`There are more than these ${items.length}: see --limit.\n`);
}

export async function showEntry(id: string, options: ShowOptions, cli: CliProcess): Promise<void> {
  const client = await ServiceClient.open(options, cli.env);
  const entry = await client.get<QueueEntry>(pathOf(id));
  if (options.json) writeJson(cli, entry);
  else writeEntry(cli.stdout, entry);
}

/** Asks before it does so; where nobody can be asked, `--yes` must have been given. */
export async function dropEntry(id: string, options: DropOptions, cli: CliProcess): Promise<void> {
  const client = await ServiceClient.open(options, cli.env);
  if (!options.yes) {
    if (cli.stdin.isTTY !== true) throw new UsageError('Without a terminal to ask on, drop needs --yes');
    writeEntry(cli.stderr, await client.get<QueueEntry>(pathOf(id)));
    if (!(await confirm('Drop it? [y/N] ', cli))) throw new Error('Nothing was dropped');
  }
  const { reason } = options;
  const entry = await client.post<QueueEntry>(`${pathOf(id)}/drop`, { reason });
  if (options.json) writeJson(cli, entry);
  else
    cli.stdout.write(`Dropped ${entry.id}: its operation is FAILED, and a copy is kept with the journal.\n`);
}

export async function requeueEntry(id: string, options: ChangeOptions, cli: CliProcess): Promise<void> {
  const client = await ServiceClient.open(options, cli.env);
  const { reason } = options;
  const entry = await client.post<QueueEntry>(`${pathOf(id)}/requeue`, { reason });
  if (options.json) writeJson(cli, entry);
  else cli.stdout.write(`Requeued ${entry.id}: it is tried again now.\n`);
}

async function readEntries(client: ServiceClient, { state, limit }: ListOptions): Promise<QueueListing> {
  if (state !== undefined) return readState(client, state === 'all' ? undefined : state, limit);
  // what waits: for somebody to look, then for the database
  const parked = await readState(client, 'parked', limit);
  const room = limit - parked.items.length;
  if (room === 0) return { ...parked, hasMore: parked.hasMore || parked.stats.queued > 0 };
  const queued = await readState(client, 'queued', room);
  return { ...queued, items: [...parked.items, ...queued.items] };
}

async function readState(
  client: ServiceClient,
  state: string | undefined,
  limit: number,
): Promise<QueueListing> {
  const items: QueueEntry[] = [];
  let cursor: string | undefined;
  for (;;) {
    const parameters = new URLSearchParams({
      limit: String(Math.min(maxPageSize, limit - items.length)),
      ...(state !== undefined && { state }),
      ...(cursor !== undefined && { cursor }),
    });
    const page = await client.get<QueuePage>(`/admin/queue?${parameters.toString()}`);
    items.push(...page.items);
    cursor = page.next;
    if (cursor === undefined || items.length >= limit) {
      return { items, stats: page.stats, hasMore: cursor !== undefined };
    }
  }
}

const headings = ['ID', 'STATE', 'KIND', 'STORE', 'ACCEPTED', 'BY', 'ATTEMPTS', 'REASON'];

function toRow(entry: QueueEntry): string[] {
  const { id, state, kind, storeId, acceptedAt, acceptedBy, attempts, reason } = entry;
  return [id, state, kind, storeId ?? '-', acceptedAt, acceptedBy, String(attempts), reason ?? '-'];
}

function summaryOf({ queued, parked, unconfirmed, settled, oldestAgeMs, ...stats }: QueueStats): string {
  const oldest = queued > 0 ? ` (the oldest for ${Math.round(oldestAgeMs / 1_000)} s)` : '';
  const trouble =
    stats.failure?.reason ?? (stats.fullBy === undefined ? undefined : `full by ${stats.fullBy}`);
  return (
    `${queued} queued${oldest}, ${parked} parked, ${unconfirmed} unconfirmed, ${settled} settled` +
    (trouble === undefined ? '' : `; nothing more is taken: ${trouble}`) +
    (stats.stalled ? `; writes fail since ${stats.stalled.since}, and are kept: ${stats.stalled.reason}` : '')
  );
}

/** A line for each fact; what it would write as JSON below. */
function writeEntry(out: NodeJS.WritableStream, { write, ...facts }: QueueEntry): void {
  const names = Object.keys(facts);
  const width = Math.max(...names.map((name) => name.length));
  for (const [name, value] of Object.entries(facts)) {
    out.write(`${name.padEnd(width)}  ${printable(String(value))}\n`);
  }
  if (write) out.write(`${'write'.padEnd(width)}  ${JSON.stringify(write, undefined, 2)}\n`);
}

function writeJson({ stdout }: CliProcess, value: object): void {
  stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}

function pathOf(id: string): string {
  return `/admin/queue/${encodeURIComponent(id)}`;
}
