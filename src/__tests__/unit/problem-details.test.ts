import { describe, expect, it } from '@jest/globals';
import express from 'express';
import supertest from 'supertest';
import { accessLog } from '../../shared/middleware/access-log.js';
import { principalOf } from '../../shared/middleware/authentication.js';
import { problemDetails } from '../../shared/middleware/problem-details.js';
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

describe('a route that forgot to authenticate', () => {
  it('knows no principal: 401', async () => {
    const { app } = makeApp((req, res) => {
      res.json(principalOf(req));
    });
    const { body } = await supertest(app).get('/').expect(401);
    expect(body).toMatchObject({ code: 'unauthenticated', requestId: '' });
  });
});
