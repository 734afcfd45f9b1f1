import { VaultFault } from './engine.js';
import { record, texts } from './fields.js';

const known = ['create', 'read', 'update', 'delete', 'list', 'sudo', 'deny', 'patch', 'scan', 'recover'];

interface Rule {
  readonly pattern: string;
  readonly capabilities: readonly string[];
}

/** What every token may do that does not renounce it; the part of Vault's own `default` that is used here. */
const defaultPolicy = `
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/lookup" { capabilities = ["update"] }
path "sys/wrapping/wrap" { capabilities = ["update"] }
path "sys/wrapping/lookup" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
`;

/** Access policies: patterns of paths and what may be done there. Whatever no rule allows is denied. */
export class PolicyStore {
  readonly #policies = new Map<string, { text: string; rules: readonly Rule[] }>();

  constructor() {
    this.write('default', defaultPolicy);
  }

  /** @throws {VaultFault} 400 if the policy is empty or has an unknown capability */
  write(name: string, text: string): void {
    if (text.trim() === '') throw new VaultFault(400, "'policy' parameter not supplied or empty");
    this.#policies.set(name, { text, rules: parsePolicy(text) });
  }

  read(name: string): string | undefined {
    return this.#policies.get(name)?.text;
  }

  remove(name: string): void {
    this.#policies.delete(name);
  }

  names(): string[] {
    return [...this.#policies.keys(), 'root'].sort();
  }

  /** The capabilities of these policies on a path; `deny` if there are none. */
  capabilities(policies: readonly string[], path: string): readonly string[] {
    if (policies.includes('root')) return ['root'];
    const rules = policies.flatMap((name) => this.#policies.get(name)?.rules ?? []);
    const matching = rules.filter(({ pattern }) => matches(pattern, path));
    const [best] = matching.sort((a, b) => comparePriority(b.pattern, a.pattern));
    if (!best) return ['deny'];
    const granted = matching
      .filter(({ pattern }) => pattern === best.pattern)
      .flatMap(({ capabilities }) => capabilities);
    return granted.includes('deny') ? ['deny'] : [...new Set(granted)].sort();
  }

  allows(policies: readonly string[], path: string, capability: string): boolean {
    const capabilities = this.capabilities(policies, path);
    return capabilities.includes('root') || capabilities.includes(capability);
  }
}

/** Reads the JSON form and the part of HCL that policies are usually written in. */
function parsePolicy(text: string): Rule[] {
  const rules = text.trimStart().startsWith('{') ? parseJson(text) : parseHcl(text);
  for (const { pattern, capabilities } of rules) {
    const unknown = capabilities.find((capability) => !known.includes(capability));
    if (unknown !== undefined) {
      throw new VaultFault(400, `failed to parse policy: path "${pattern}": invalid capability "${unknown}"`);
    }
  }
  return rules;
}

function parseJson(text: string): Rule[] {
  const paths = record(record(JSON.parse(text))?.['path']) ?? {};
  return Object.entries(paths).map(([pattern, rule]) => ({
    pattern,
    capabilities: texts(record(rule) ?? {}, 'capabilities'),
  }));
}

function parseHcl(text: string): Rule[] {
  const source = text.replace(/^[ \t]*#.*$/gm, '');
  const rules: Rule[] = [];
  for (const head of source.matchAll(/path\s+"([^"]+)"\s*\{/g)) {
    const start = head.index + head[0].length;
    const end = source.indexOf('}', start);
    // what is never closed is no rule, and neither is what comes after it
    if (end < 0) break;
    const capabilities = capabilitiesIn(source.slice(start, end));
    rules.push({ pattern: head[1] ?? '', capabilities });
  }
  return rules;
}

function capabilitiesIn(block: string): string[] {
  const start = block.search(/capabilities\s*=\s*\[/);
  const end = block.indexOf(']', start);
  const list = start < 0 || end < 0 ? '' : block.slice(block.indexOf('[', start), end);
  return Array.from(list.matchAll(/"([^"]+)"/g), ([, name = '']) => name);
}

/** `+` stands for one segment, a `*` at the end for any rest. */
function matches(pattern: string, path: string): boolean {
  const isPrefix = pattern.endsWith('*');
  const source = (isPrefix ? pattern.slice(0, -1) : pattern)
    .split('/')
    .map((segment) => (segment === '+' ? '[^/]+' : segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')))
    .join('/');
  return new RegExp(`^${source}${isPrefix ? '' : '$'}`).test(path);
}

/** Vault's order of precedence: the later the first wildcard, the more specific; then no `*`, fewer `+`, longer. */
function comparePriority(a: string, b: string): number {
  const first = (pattern: string): number => {
    const index = pattern.search(/[*+]/);
    return index === -1 ? Number.MAX_SAFE_INTEGER : index;
  };
  const plusses = (pattern: string): number => pattern.split('/').filter((segment) => segment === '+').length;
  return (
    first(a) - first(b) ||
    Number(b.endsWith('*')) - Number(a.endsWith('*')) ||
    plusses(b) - plusses(a) ||
    a.length - b.length ||
    (a < b ? -1 : Number(a > b))
  );
}
