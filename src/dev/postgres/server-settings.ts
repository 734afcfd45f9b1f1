/** The server a standby streams from. */
export interface Upstream {
  port: number;
  user: string;
  password: string;
}

export interface ServerSettings {
  port: number;
  /** Identifies this server to its upstream, and names the replication slot there. */
  name: string;
  upstream: Upstream | undefined;
  /** false: what the operating system has not written is lost in a power cut. For throw-away data only. */
  durable: boolean;
}

const quote = (value: string): string => `'${value.replaceAll("'", "''")}'`;

/** Slot names know letters, digits and underscores only. */
export const slotNameOf = (serverName: string): string => serverName.replaceAll('-', '_');

/**
 * The text of postgresql.conf. It is written anew at every start; what ALTER SYSTEM sets lives in
 * postgresql.auto.conf and stays. Passwords are here rather than on the command line, which everybody can read.
 */
export function renderSettings({ port, name, upstream, durable }: ServerSettings): string {
  const settings: Record<string, string | number | undefined> = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: 200,
    shared_buffers: '64MB',
    // In the data folder, so that a killed server whose data is deleted leaves nothing in /dev/shm.
    dynamic_shared_memory_type: 'mmap',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_checkpoints: 'off',
    hot_standby_feedback: 'on',
    // A lost replica is cloned again, so it must not make the primary keep WAL until the disk is full.
    max_slot_wal_keep_size: '1GB',
    // The default of 5 s is how long a replica that started before its primary would wait idly.
    wal_retrieve_retry_interval: '100ms',
    wal_receiver_status_interval: '1s',
    ...(durable ? {} : { fsync: 'off' }),
    ...(upstream && {
      primary_conninfo: [
        'host=127.0.0.1',
        `port=${upstream.port}`,
        `user=${upstream.user}`,
        `password=${upstream.password}`,
        `application_name=${name}`,
        'sslmode=disable',
        'connect_timeout=2',
      ].join(' '),
      primary_slot_name: slotNameOf(name),
    }),
  };
  return Object.entries(settings)
    .map(([key, value]) => `${key} = ${quote(String(value))}\n`)
    .join('');
}
