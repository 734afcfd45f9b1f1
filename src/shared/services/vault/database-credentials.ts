import { ReplyFields } from './reply-fields.js';
import type { Tenure } from './renewal.js';
import { vaultPath } from './vault-path.js';
import type { SecretSource } from './vault-ports.js';
import type { VaultSession } from './vault-session.js';

/** A login for the database. The password is out of reach of `inspect`, JSON and loggers. */
export class DatabaseCredentials {
  /** Counts up within a process; each has a pool of its own. */
  readonly generation: number;
  readonly username: string;
  readonly source: SecretSource;
  readonly #password: string;

  constructor(facts: {
    readonly generation: number;
    readonly username: string;
    readonly password: string;
    readonly source: SecretSource;
  }) {
    this.generation = facts.generation;
    this.username = facts.username;
    this.source = facts.source;
    this.#password = facts.password;
  }

  get password(): string {
    return this.#password;
  }
}

/** What an issuer hands out. */
export interface IssuedCredentials {
  readonly username: string;
  readonly password: string;
  /** Absent for static roles. */
  readonly leaseId?: string;
  readonly tenure: Tenure;
  /** Whether the token they were made under is no longer ours: their lease ends with it. */
  readonly hasLostToken?: () => boolean;
}

/** Where database logins come from. */
export interface CredentialIssuer {
  /** For logs, metrics and the fallback list, e.g. `database/creds/app`. */
  readonly path: string;
  readonly kind: 'dynamic' | 'static';
  issue(): Promise<IssuedCredentials>;
  renew(leaseId: string, tenure: Tenure): Promise<Tenure>;
  revoke(leaseId: string): Promise<void>;
}

/** Logins that Vault makes for us and drops when their lease ends. */
export function dynamicIssuer(session: VaultSession, mount: string, role: string): CredentialIssuer {
  const path = vaultPath(mount, 'creds', role);
  return {
    path,
    kind: 'dynamic',
    issue: async () => {
      const operation = 'database.creds';
      const { reply, token } = await session.call('database', async ({ client, token, signal }) => ({
        reply: await client.read(path, { operation, token, signal }),
        token,
      }));
      const fields = ReplyFields.of(operation, reply);
      const data = fields.record('data');
      return {
        username: data.string('username'),
        password: data.string('password'),
        leaseId: fields.string('lease_id'),
        tenure: tenureOf(fields),
        hasLostToken: () => !session.tokens.holds(token),
      };
    },
    renew: async (leaseId, tenure) => {
      const operation = 'lease.renew';
      const body = { lease_id: leaseId, increment: tenure.ttlMs / 1000 };
      const reply = await session.call('database', ({ client, token, signal }) =>
        client.write(vaultPath('sys/leases/renew'), body, { operation, token, signal }),
      );
      return tenureOf(ReplyFields.of(operation, reply));
    },
    revoke: async (leaseId) => {
      await session.call('database', ({ client, token, signal }) =>
        client.write(
          vaultPath('sys/leases/revoke'),
          { lease_id: leaseId },
          { operation: 'lease.revoke', token, signal },
        ),
      );
    },
  };
}

/** A login that stays and whose password Vault changes: no lease, but `ttl` says when. */
export function staticIssuer(session: VaultSession, mount: string, role: string): CredentialIssuer {
  const path = vaultPath(mount, 'static-creds', role);
  return {
    path,
    kind: 'static',
    issue: async () => {
      const operation = 'database.static-creds';
      const reply = await session.call('database', ({ client, token, signal }) =>
        client.read(path, { operation, token, signal }),
      );
      const data = ReplyFields.of(operation, reply).record('data');
      // A ttl of 0 means that the change is due this very second, not that there is none.
      const ttlMs = Math.max(data.number('ttl') * 1000, 1000);
      return {
        username: data.string('username'),
        password: data.string('password'),
        tenure: { ttlMs, renewable: false },
      };
    },
    renew: (_, tenure) => Promise.resolve(tenure),
    revoke: () => Promise.resolve(),
  };
}

function tenureOf(fields: ReplyFields): Tenure {
  return { ttlMs: fields.number('lease_duration') * 1000, renewable: fields.isTrue('renewable') };
}
