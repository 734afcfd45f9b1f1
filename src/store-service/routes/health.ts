import type { Endpoint } from '../../shared/middleware/endpoint.js';
import { assertNoParameters } from './query.js';

export interface Readiness {
  readonly status: 'ok' | 'degraded' | 'unavailable' | 'draining';
  /** What was looked at, and how it is. */
  readonly checks: Readonly<Record<string, string>>;
}

const health = { 'application/json': { $ref: '#/components/schemas/Health' } };

/**
 * The endpoints for orchestrators and load balancers; they need no credential and tell no more than they must.
 * @param readiness whether the process can serve its purpose now; `degraded` counts as yes
 */
export function healthEndpoints(readiness: () => Readiness): Endpoint[] {
  return [
    {
      method: 'get',
      path: '/health/live',
      access: 'public',
      contract: {
        operationId: 'getLiveness',
        tag: 'Health',
        summary: 'Whether the process runs',
        responses: { 200: { description: 'It does', content: health } },
        problems: ['unexpected_body'],
      },
      handler: (req, res) => {
        assertNoParameters(req);
        res.json({ status: 'ok' });
      },
    },
    {
      method: 'get',
      path: '/health/ready',
      access: 'public',
      contract: {
        operationId: 'getReadiness',
        tag: 'Health',
        summary: 'Whether requests should be sent here',
        responses: {
          200: { description: 'Yes; perhaps degraded', content: health },
          503: { description: 'No: draining, or of no use without what it depends on', content: health },
        },
        problems: ['unexpected_body'],
      },
      handler: (req, res) => {
        assertNoParameters(req);
        const { status, checks } = readiness();
        res.status(status === 'ok' || status === 'degraded' ? 200 : 503).json({ status, checks });
      },
    },
  ];
}
