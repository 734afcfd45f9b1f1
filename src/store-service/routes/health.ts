import { sendBody } from '../../shared/middleware/answer.js';
import type { Endpoint } from '../../shared/middleware/endpoint.js';
import { json } from './contract-parts.js';
import { assertNoParameters } from './query.js';

export interface Readiness {
  readonly status: 'ok' | 'degraded' | 'unavailable' | 'draining';
  /** What was looked at, and how it is. */
  readonly checks: Readonly<Record<string, string>>;
  /** The states of breakers that let nothing through, by name; absent when there are none. */
  readonly breakers?: Readonly<Record<string, string>>;
}

/** What an operator wants to know; nothing in it is secret, and no caller without a credential sees it. */
export interface HealthDetail extends Pick<Readiness, 'status' | 'checks'> {
  readonly database: object;
  readonly cache: object;
  readonly vault: object;
  readonly queue: object;
  readonly breakers: readonly object[];
}

/** About as long as a failover takes. */
const retryAfterSeconds = 5;

const health = json('Health');

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
        description: 'For a liveness probe: says nothing of what the process depends on.',
        responses: { 200: { description: 'It does', content: health } },
        problems: ['unexpected_body'],
      },
      handler: (req, res) => {
        assertNoParameters(req);
        sendBody(res, { status: 'ok' });
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
        description: 'For a readiness probe and for load balancers.',
        responses: {
          200: { description: 'Yes; perhaps degraded', content: health },
          503: {
            description: 'No: draining, of no use without what it depends on, or locked by its breakers',
            headers: ['Retry-After'],
            content: health,
          },
        },
        problems: ['unexpected_body'],
      },
      handler: (req, res) => {
        assertNoParameters(req);
        const { status, checks, breakers } = readiness();
        const isReady = status === 'ok' || status === 'degraded';
        if (!isReady) res.set('Retry-After', String(retryAfterSeconds));
        sendBody(res.status(isReady ? 200 : 503), { status, checks, breakers });
      },
    },
  ];
}

/** The endpoint for operators: every dependency, and how it is. */
export function healthDetailEndpoint(detail: () => Promise<HealthDetail>): Endpoint {
  return {
    method: 'get',
    path: '/health',
    access: 'viewer',
    contract: {
      operationId: 'getHealth',
      tag: 'Health',
      summary: 'How the service and everything it depends on are',
      description: 'For those who run it. The status is 200 whatever the answer says.',
      responses: {
        200: {
          description: 'The state of every dependency, whatever it is',
          content: json('HealthDetail'),
        },
      },
      problems: ['unexpected_body'],
    },
    handler: async (req, res) => {
      assertNoParameters(req);
      sendBody(res, await detail());
    },
  };
}
