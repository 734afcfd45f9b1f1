import type { Endpoint } from '../../shared/middleware/endpoint.js';
import { SingleFlight } from '../../shared/services/vault/single-flight.js';
import { assertNoParameters } from './query.js';

/** All measurements, written out. */
export interface MetricsPage {
  readonly contentType: string;
  render(): Promise<string>;
}

/**
 * The endpoint that Prometheus scrapes. It holds no names of people, stores or callers, but addresses of the database's
 * nodes: who is on call needs to know which one it is.
 */
export function metricsEndpoint(metrics: MetricsPage, access: 'public' | 'viewer'): Endpoint {
  // to write it out takes milliseconds: all who ask meanwhile get the same
  const pages = new SingleFlight<string>();
  return {
    method: 'get',
    path: '/metrics',
    access,
    contract: {
      operationId: 'getMetrics',
      tag: 'Health',
      summary: 'Measurements for Prometheus',
      description: 'The text format of Prometheus, version 0.0.4.',
      responses: { 200: { description: 'Text format', content: { 'text/plain': { type: 'string' } } } },
      problems: ['unexpected_body'],
    },
    handler: async (req, res) => {
      assertNoParameters(req);
      res.set('Content-Type', metrics.contentType).send(await pages.run(() => metrics.render()));
    },
  };
}
