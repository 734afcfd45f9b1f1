export interface MetricDefinition {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
}

/** Every measurement there is, by its name. */
export const metricDefinitions: Readonly<Record<string, MetricDefinition>> = {
  http_request_duration_seconds: {
    kind: 'histogram',
    help: 'Time from a request to the end of its answer',
    labels: ['method', 'route', 'status'],
  },
  http_connections_dropped_total: {
    kind: 'counter',
    help: 'Connections that were ended because their clients took up too much, by what of',
    labels: ['reason'],
  },
  response_cache_stale_answers_total: {
    kind: 'counter',
    help: 'Reads that were answered from memory, by the problem that they met',
    labels: ['route', 'reason'],
  },
  response_cache_misses_total: {
    kind: 'counter',
    help: 'Reads that could not be answered from memory when they had to be',
    labels: ['reason'],
  },
  response_cache_entries: { kind: 'gauge', help: 'Answers in memory', labels: [] },
  response_cache_bytes: { kind: 'gauge', help: 'Room that answers in memory take', labels: [] },
  response_cache_evictions_total: {
    kind: 'counter',
    help: 'Answers that made room for others',
    labels: [],
  },
  database_healthy: { kind: 'gauge', help: '1 while there is a primary', labels: [] },
  database_node_state: { kind: 'gauge', help: '1 for the state a node is in', labels: ['node', 'state'] },
  database_connections: {
    kind: 'gauge',
    help: 'Connections to a node for requests: in_use (lent, or being opened for somebody) or idle',
    labels: ['node', 'state'],
  },
  database_connection_waiters: {
    kind: 'gauge',
    help: 'Requests that wait for a connection to a node to become free',
    labels: ['node'],
  },
  database_replica_lag_seconds: {
    kind: 'gauge',
    help: 'Upper bound of the age of what a node shows: 0 for the primary, +Inf where nothing is known',
    labels: ['node'],
  },
  database_failover_seconds: {
    kind: 'histogram',
    help: 'Time without a primary, from the loss of one to the next',
    labels: [],
  },
  database_rival_primaries_total: {
    kind: 'counter',
    help: 'Times that several nodes would have taken writes',
    labels: [],
  },
  database_connections_lost_total: {
    kind: 'counter',
    help: 'Connections that broke by themselves',
    labels: ['node', 'reason'],
  },
  database_pools_replaced_total: {
    kind: 'counter',
    help: 'Times that all connections to a node were replaced',
    labels: ['node', 'reason'],
  },
  database_write_retries_total: { kind: 'counter', help: 'Writes that were tried again', labels: ['reason'] },
  database_writes_unknown_total: {
    kind: 'counter',
    help: 'Writes whose commit was never answered',
    labels: ['reason'],
  },
  journal_entries: { kind: 'gauge', help: 'Writes in the journal, by state', labels: ['state'] },
  journal_held_bytes: {
    kind: 'gauge',
    help: 'Bytes of the writes that the journal must not lose',
    labels: [],
  },
  journal_file_bytes: { kind: 'gauge', help: 'Size of the journal on its disk', labels: [] },
  journal_oldest_age_seconds: { kind: 'gauge', help: 'Age of the oldest queued write', labels: [] },
  journal_accepting: { kind: 'gauge', help: '1 unless the journal is full or fails', labels: [] },
  journal_stalled: {
    kind: 'gauge',
    help: '1 while queued writes fail again and again, and nothing says that it is their own fault',
    labels: [],
  },
  journal_drain_events_total: {
    kind: 'counter',
    help: 'What became of queued writes, and of the drain itself',
    labels: ['event'],
  },
  journal_apply_seconds: { kind: 'histogram', help: 'Time to carry out a queued write', labels: [] },
  journal_redriven_total: {
    kind: 'counter',
    help: 'Writes that a failover may have undone, and that were carried out again',
    labels: [],
  },
  journal_unprotected_writes_total: {
    kind: 'counter',
    help: 'Writes that the journal could not keep until a standby had them',
    labels: [],
  },
  breaker_state: { kind: 'gauge', help: '1 for the state a breaker is in', labels: ['breaker', 'state'] },
  breaker_transitions_total: {
    kind: 'counter',
    help: 'Changes of state of breakers, by what led to them',
    labels: ['breaker', 'to', 'reason'],
  },
  breaker_calls_total: {
    kind: 'counter',
    help: 'Calls through breakers, refused ones included',
    labels: ['breaker', 'outcome'],
  },
  breaker_call_duration_seconds: {
    kind: 'histogram',
    help: 'Time that calls took that a breaker let through',
    labels: ['breaker'],
  },
  vault_secret_reads_total: {
    kind: 'counter',
    help: 'Secrets that were read, by where from',
    labels: ['source'],
  },
  vault_fallbacks_total: {
    kind: 'counter',
    help: 'Times that something stood in for Vault',
    labels: ['secret', 'source'],
  },
  vault_logins_total: { kind: 'counter', help: 'Logins to Vault', labels: ['method', 'outcome'] },
  vault_renewals_total: {
    kind: 'counter',
    help: 'Renewals of the token and of leases',
    labels: ['what', 'action', 'outcome'],
  },
  vault_rotations_total: {
    kind: 'counter',
    help: 'Generations of logins that were published',
    labels: ['path'],
  },
  vault_security_events_total: {
    kind: 'counter',
    help: 'Things that somebody should look at',
    labels: ['event'],
  },
  vault_callers_readable: {
    kind: 'gauge',
    help: '1 while records of callers can be read from Vault',
    labels: [],
  },
  caller_look_ups_total: {
    kind: 'counter',
    help: 'Callers that had to be looked up, by why, and by what came of it; refused ones were not looked up',
    labels: ['reason', 'outcome'],
  },
  vault_lease_expires_timestamp_seconds: {
    kind: 'gauge',
    help: 'When a lease is over, as Unix time',
    labels: ['path'],
  },
};
