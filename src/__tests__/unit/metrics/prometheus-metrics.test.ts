import { describe, expect, it } from '@jest/globals';
import { InMemoryMetrics } from '../../../shared/metrics/in-memory-metrics.js';
import { metricDefinitions } from '../../../shared/metrics/metric-definitions.js';
import type { Metrics } from '../../../shared/metrics/metrics.js';
import { PrometheusMetrics } from '../../../shared/metrics/prometheus-metrics.js';

describe('PrometheusMetrics', () => {
  it('knows every measurement that is defined, with its labels', async () => {
    const metrics = new PrometheusMetrics();
    for (const [name, { kind, labels }] of Object.entries(metricDefinitions)) {
      const values = Object.fromEntries(labels.map((label) => [label, 'x']));
      if (kind === 'counter') metrics.count(name, values);
      if (kind === 'gauge') metrics.gauge(name, 1, values);
      if (kind === 'histogram') metrics.observe(name, 1, values);
    }
    const text = await metrics.render();
    for (const name of Object.keys(metricDefinitions)) expect(text).toContain(`# TYPE ${name} `);
  });

  it('asks for gauges anew each time that it is rendered', async () => {
    const metrics = new PrometheusMetrics();
    let waiters = 0;
    metrics.beforeRender(() => {
      waiters += 1;
      metrics.gauge('database_connection_waiters', waiters, { node: 'n:1/d' });
    });
    expect(await metrics.render()).toContain('database_connection_waiters{node="n:1/d"} 1\n');
    expect(await metrics.render()).toContain('database_connection_waiters{node="n:1/d"} 2\n');
  });

  it('waits for gauges that take their time', async () => {
    const metrics = new PrometheusMetrics();
    metrics.beforeRender(async () => {
      await Promise.resolve();
      metrics.gauge('journal_held_bytes', 7);
    });
    expect(await metrics.render()).toContain('journal_held_bytes 7\n');
  });

  it('refuses a measurement that is not defined, or of another kind', () => {
    const metrics = new PrometheusMetrics();
    expect(() => {
      metrics.count('no_such_thing_total');
    }).toThrow('no_such_thing_total');
    expect(() => {
      metrics.gauge('vault_logins_total', 1);
    }).toThrow('vault_logins_total');
  });
});

describe.each<[string, () => { metrics: Metrics; valueOf: () => Promise<number> }]>([
  [
    'PrometheusMetrics',
    () => {
      const metrics = new PrometheusMetrics();
      const pattern = /^database_write_retries_total\{reason="x"\} (\d+)$/m;
      return { metrics, valueOf: async () => Number(pattern.exec(await metrics.render())?.[1]) };
    },
  ],
  [
    'InMemoryMetrics',
    () => {
      const metrics = new InMemoryMetrics();
      const valueOf = () => metrics.valueOf('database_write_retries_total', { reason: 'x' });
      return { metrics, valueOf: () => Promise.resolve(Number(valueOf())) };
    },
  ],
])('every implementation of Metrics, here %s', (_name, create) => {
  it('adds up counters by their labels', async () => {
    const { metrics, valueOf } = create();
    metrics.count('database_write_retries_total', { reason: 'x' });
    metrics.count('database_write_retries_total', { reason: 'x' }, 4);
    metrics.count('database_write_retries_total', { reason: 'y' });
    expect(await valueOf()).toBe(5);
  });
});
