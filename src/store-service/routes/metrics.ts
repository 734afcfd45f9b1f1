import type { Endpoint } from '../../shared/middleware/endpoint.js';
import { assertNoParameters } from './query.js';

/** All measurements, written out. */
export interface MetricsPage {
  readonly contentType: string;
  render(): Promise<string>;
}

/** The endpoint that Prometheus scrapes; it holds no names of people, stores or callers. */
export function metricsEndpoint(metrics: MetricsPage): Endpoint {
  return {
    method: 'get',
    path: '/metrics',
    access: 'public',
    contract: {
      operationId: 'getMetrics',
      tag: 'Health',
      summary: 'Measurements for Prometheus',
      responses: { 200: { description: 'Text format', content: { 'text/plain': { type: 'string' } } } },
      problems: ['unexpected_body'],
    },
    handler: async (req, res) => {
      assertNoParameters(req);
      res.set('Content-Type', metrics.contentType).send(await metrics.render());
    },
  };
}
