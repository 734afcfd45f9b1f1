import { afterAll, beforeAll, expect } from '@jest/globals';
import type { VaultClient } from '../../shared/services/vault/vault-client.js';
import { VaultError } from '../../shared/services/vault/vault-error.js';
import { vaultPath } from '../../shared/services/vault/vault-path.js';
import type { VaultReply } from '../../shared/services/vault/vault-transport.js';
import type { ContractContext } from './vault.contract.js';

export type Json = Readonly<Record<string, unknown>>;

/** The error of a call that must fail. */
export async function failureOf(call: Promise<unknown>): Promise<VaultError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof VaultError) return error;
    throw error;
  }
  throw new Error('The call was expected to fail');
}

/** `data` of an answer. */
export function dataOf(reply: VaultReply): Json {
  return objectOf(reply.body?.['data']);
}

/** `auth` of an answer. */
export function authOf(reply: VaultReply): Json {
  return objectOf(reply.body?.['auth']);
}

export function objectOf(value: unknown): Json {
  expect(value).toEqual(expect.any(Object));
  return value as Json;
}

export function stringOf(value: unknown): string {
  expect(value).toEqual(expect.any(String));
  return value as string;
}

/** A policy that allows nothing of interest; an empty one is refused. */
export const noPaths = 'path "unused" { capabilities = ["deny"] }';

/** Writes a policy and gives a token of it. */
export async function tokenWithPolicy(
  { client, prefix, root }: ContractContext,
  name: string,
  policy: string,
  terms: Json = {},
): Promise<string> {
  const fullName = `${prefix}-${name}`;
  await client.write(vaultPath('sys/policies/acl', fullName), { policy }, root);
  const reply = await client.write(
    vaultPath('auth/token/create'),
    { policies: [fullName], ttl: '10m', ...terms },
    root,
  );
  return stringOf(authOf(reply)['client_token']);
}

/** Mounts an engine for the run of a part; gives its path. */
export function useMount(
  context: () => ContractContext,
  kind: 'mounts' | 'auth',
  type: string,
): () => string {
  const pathOf = (): string => `${context().prefix}-${type}`;
  beforeAll(async () => {
    const { client, root } = context();
    const options = type === 'kv' ? { options: { version: '2' } } : {};
    await client.write(vaultPath('sys', kind, pathOf()), { type, ...options }, root);
    if (type === 'kv') await waitForKv(client, pathOf(), root);
  });
  afterAll(async () => {
    const { client, root } = context();
    await client.delete(vaultPath('sys', kind, pathOf()), root);
  });
  return pathOf;
}

/** A new KV v2 mount answers 400 until its upgrade has finished. */
async function waitForKv(client: VaultClient, mount: string, root: ContractContext['root']): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const failure = await failureOf(client.read(vaultPath(mount, 'data/nothing'), root));
    if (failure.status === 404 || performance.now() > deadline) return;
  }
}
