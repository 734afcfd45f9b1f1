import { describe, expect, it } from '@jest/globals';
import express from 'express';
import supertest from 'supertest';
import { AppError, DependencyUnavailableError } from '../../shared/errors/app-error.js';
import { accessLog } from '../../shared/middleware/access-log.js';
import { principalOf } from '../../shared/middleware/authentication.js';
import { problemDetails } from '../../shared/middleware/problem-details.js';
import { BreakerOpenError } from '../../shared/resilience/breaker.js';
import { recordingLogger } from '../helpers/test-app.js';

function makeApp(handler: express.RequestHandler) {
  const { logger, lines } = recordingLogger();
  const app = express();
  app.use(accessLog(logger));
  app.get('/', handler);
  app.use(problemDetails(logger));
  return { app, lines };
}

describe('an error after the answer has begun', () => {
  it('ends the connection, so that nobody takes the answer for whole, and is logged', async () => {
    const { app, lines } = makeApp((_req, res) => {
      res.write('{"items":[');
      throw new Error('too late');
    });
    await expect(supertest(app).get('/')).rejects.toThrow(/aborted|socket hang up/);
    expect(lines.join('')).toContain('too late');
    expect(lines.join('')).toContain('Request aborted by the client');
  });
});

describe('the time after which a retry is worth while', () => {
  const away = (code: string, retryAfterMs: number) =>
    new DependencyUnavailableError(code, 'x', { retryAfterMs });

  it.each([
    ['what a breaker says, up to 10 s', new BreakerOpenError('database-primary', 2_001), '3'],
    ['10 s where a breaker waits for longer', new BreakerOpenError('database-primary', 36_000), '10'],
    ['10 s behind such a breaker, too', away('encryption_unavailable', 30_000), '10'],
    ['10 s while callers cannot be checked', away('security_unavailable', 60_000), '10'],
    [
      'the whole time of a rate limit',
      new AppError('rate_limited', 'rate_limited', 'x', { retryAfterMs: 59_000 }),
      '59',
    ],
  ])('is %s', async (_what, error, expected) => {
    const { app } = makeApp(() => {
      throw error;
    });
    expect((await supertest(app).get('/')).get('Retry-After')).toBe(expected);
  });
});

describe('a route that forgot to authenticate', () => {
  it('knows no principal: 401', async () => {
    const { app } = makeApp((req, res) => {
      res.json(principalOf(req));
    });
    const { body } = await supertest(app).get('/').expect(401);
    expect(body).toMatchObject({ code: 'unauthenticated', requestId: '' });
  });
});
