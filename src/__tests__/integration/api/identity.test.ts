import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import supertest from 'supertest';
import {
  DependencyUnavailableError,
  ForbiddenError,
  OverloadedError,
  UnauthenticatedError,
} from '../../../shared/errors/app-error.js';
import { type Principal, type Role, roles } from '../../../shared/services/authenticator.js';
import { newStoreBody } from '../../helpers/store-samples.js';
import { makeApp } from '../../helpers/test-app.js';
import { forgedKey, TestService, tokenOf } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

interface RoleTableRow {
  readonly method: string;
  readonly path: string;
  readonly role: Role;
}

/** As the service itself publishes it. */
async function readRoleTable(): Promise<RoleTableRow[]> {
  const { body } = await service.request('GET', '/openapi.json').expect(200);
  const paths = body.paths as Record<string, Record<string, { 'x-required-role'?: Role }>>;
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, { 'x-required-role': role }]) =>
      role ? [{ method: method.toUpperCase(), path: path.replace('{id}', randomUUID()), role }] : [],
    ),
  );
}

describe('a request without a good credential', () => {
  const secret = tokenOf('operator').slice('spk_test-operator_'.length);
  it.each([
    ['no header', undefined],
    ['an empty header', ''],
    ['another scheme', 'Basic dXNlcjpwYXNz'],
    ['a scheme without a token', 'Bearer'],
    ['two tokens', 'Bearer one two'],
    ['a token that is no key', 'Bearer nonsense'],
    ['an unknown id', `Bearer ${forgedKey('nobody')}`],
    ['a known id with another secret', `Bearer ${forgedKey('test-operator')}`],
    ["another id with an operator's secret", `Bearer spk_test-admin_${secret}`],
    ['a key cut short', `Bearer ${tokenOf('operator').slice(0, -1)}`],
  ])('is 401 with WWW-Authenticate: %s', async (_name, header) => {
    const request = service.request('GET', '/api/stores');
    if (header !== undefined) request.set('Authorization', header);
    const response = await request.expect(401);
    expect(response.get('WWW-Authenticate')).toBe('Bearer realm="store-platform"');
    expect(response.body).toMatchObject({ code: 'unauthenticated', status: 401, retryable: false });
  });

  it('is 401 on routes that do not exist, for stores that do not, and with methods that are not known', async () => {
    await service.request('GET', '/nothing/here').expect(401);
    await service.request('GET', `/api/stores/${randomUUID()}`).expect(401);
    await service.request('PATCH', '/api/stores').expect(401);
    await service.request('OPTIONS', '/api/stores').expect(401);
  });

  it('is 401 before its body is looked at', async () => {
    await service
      .request('POST', '/api/stores')
      .set('Content-Type', 'text/plain')
      .send('x'.repeat(70_000))
      .expect(401);
  });

  it('is answered for a scheme in any letter case', async () => {
    await service
      .request('GET', '/api/stores')
      .set('Authorization', `bEARER ${tokenOf('viewer')}`)
      .expect(200);
  });
});

describe('the table of roles', () => {
  it.each(roles)('holds for every endpoint: %s', async (role) => {
    const table = await readRoleTable();
    expect(table.length).toBeGreaterThanOrEqual(6);
    for (const { method, path, role: required } of table) {
      const { status } = await service.request(method, path, role);
      const isAllowed = roles.indexOf(role) >= roles.indexOf(required);
      expect({ method, path, refused: status === 403 }).toEqual({ method, path, refused: !isAllowed });
    }
  });

  it('lets viewers read only, operators write, and admins alone manage', async () => {
    const table = await readRoleTable();
    for (const { method, path, role } of table) {
      const least = path.startsWith('/admin/') ? 'admin' : method === 'GET' ? 'viewer' : 'operator';
      expect([method, path, role]).toEqual([method, path, least]);
    }
  });

  it('answers 403 before existence, before the body and before the parameters are looked at', async () => {
    const response = await service.delete(`/api/stores/${randomUUID()}`, 'viewer').expect(403);
    expect(response.body).toMatchObject({ code: 'forbidden', retryable: false });
    expect(response.get('WWW-Authenticate')).toBeUndefined();
    await service.put('/api/stores/not-an-id', {}, 'viewer').expect(403);
    await service.request('POST', '/api/stores?x=1', 'viewer').set('Content-Type', 'text/plain').expect(403);
  });

  it('says 404 for an unknown route to callers it knows', async () => {
    const response = await service.get('/nothing/here', 'viewer').expect(404);
    expect(response.body).toMatchObject({ code: 'route_not_found', instance: '/nothing/here' });
  });
});

describe('a caller that is known and has none of our roles', () => {
  it('is told 403, not to come back later', async () => {
    const authenticate = () => Promise.reject(new ForbiddenError('The token gives none of the roles'));
    const { app } = makeApp({ authenticator: { authenticate } });
    const response = await supertest(app).get('/api/stores').set('Authorization', 'Bearer a.b.c');
    expect(response.status).toBe(403);
    expect(response.body).toMatchObject({ code: 'forbidden', retryable: false });
    expect(response.get('Retry-After')).toBeUndefined();
  });
});

describe('when the security service cannot decide', () => {
  const never = new Promise<Principal>(() => undefined);
  it.each<[string, () => Promise<Principal>]>([
    ['it rejects', () => Promise.reject(new Error('connect ECONNREFUSED 10.0.0.7:8200'))],
    [
      'it is unavailable',
      () => Promise.reject(new DependencyUnavailableError('vault_sealed', 'sealed', { retryAfterMs: 1 })),
    ],
    ['it is overloaded', () => Promise.reject(new OverloadedError('too much'))],
    [
      'it throws',
      () => {
        throw new TypeError('undefined is not a function');
      },
    ],
    ['it hangs', () => never],
    ['it answers with nothing', () => Promise.resolve(undefined as unknown as Principal)],
    ['it answers without an id', () => Promise.resolve({ id: '', role: 'admin' })],
    ['it answers with no role', () => Promise.resolve({ id: 'key:x' } as Principal)],
    ['it answers with an unknown role', () => Promise.resolve({ id: 'key:x', role: 'root' as Role })],
  ])('nobody is let in: 503 security_unavailable (%s)', async (_name, authenticate) => {
    const { app, logLines } = makeApp({ authenticator: { authenticate }, authenticationTimeoutMs: 50 });
    for (const path of ['/api/stores', '/nothing/here']) {
      const response = await supertest(app).get(path).set('Authorization', 'Bearer some-token').expect(503);
      expect(response.body).toMatchObject({ code: 'security_unavailable', retryable: true });
      expect(Number(response.get('Retry-After'))).toBeGreaterThan(0);
      expect(response.text).not.toMatch(/ECONN|10\.0\.0\.7|undefined|vault/);
    }
    expect(logLines.join('')).toContain('security_unavailable');
  });

  it('health and description are answered all the same', async () => {
    const { app } = makeApp({ authenticator: { authenticate: () => Promise.reject(new Error('away')) } });
    await supertest(app).get('/health/live').expect(200);
    await supertest(app).get('/openapi.json').expect(200);
  });

  it('a refusal stays a refusal: 401', async () => {
    const authenticate = () => Promise.reject(new UnauthenticatedError('The token has expired'));
    const { app } = makeApp({ authenticator: { authenticate } });
    const response = await supertest(app).get('/api/stores').set('Authorization', 'Bearer t').expect(401);
    expect(response.body).toMatchObject({ code: 'unauthenticated', detail: 'The token has expired' });
  });

  it('a decision that comes in time counts, and one that fails afterwards harms nobody', async () => {
    const { app } = makeApp({
      authenticator: { authenticate: () => Promise.resolve({ id: 'key:late', role: 'viewer' }) },
      authenticationTimeoutMs: 2_000,
    });
    await supertest(app)
      .post('/api/stores')
      .set('Authorization', 'Bearer t')
      .send(newStoreBody())
      .expect(403);
  });
});
