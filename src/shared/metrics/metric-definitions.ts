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
  database_healthy: { kind: 'gauge', help: '1 while there is a primary', labels: [] },
  database_node_state: { kind: 'gauge', help: '1 for the state a node is in', labels: ['node', 'state'] },
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
  vault_lease_expires_timestamp_seconds: {
    kind: 'gauge',
    help: 'When a lease is over, as Unix time',
    labels: ['path'],
  },
};
