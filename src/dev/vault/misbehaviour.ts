import type { ServerResponse } from 'node:http';

/** A way to answer wrongly, or not at all. */
export type Misdeed =
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly retryAfter?: string;
      readonly errors?: readonly string[];
    }
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** Answered properly, but not before somebody says so. */
  | { readonly kind: 'held'; readonly until: Promise<unknown> }
  | { readonly kind: 'hang' }
  | { readonly kind: 'reset' }
  /** `text` is to be found in the answer, here and below. */
  | { readonly kind: 'malformed'; readonly text?: string }
  | { readonly kind: 'truncated'; readonly text?: string }
  | { readonly kind: 'redirect'; readonly location: string }
  | { readonly kind: 'oversized'; readonly bytes: number; readonly text?: string };

export interface MisbehaviourRule {
  /** Below `/v1/`; a request whose path starts with it is concerned. Everything, unless told. */
  readonly pathPrefix?: string;
  /** How often; for ever unless told. */
  readonly times?: number;
  readonly misdeed: Misdeed;
}

/** Makes the development Vault misbehave on demand, for tests. */
export class Misbehaviour {
  #rules: { rule: MisbehaviourRule; left: number }[] = [];

  /** @returns ends it */
  begin(rule: MisbehaviourRule): () => void {
    const entry = { rule, left: rule.times ?? Infinity };
    this.#rules.push(entry);
    return () => {
      this.#rules = this.#rules.filter((other) => other !== entry);
    };
  }

  end(): void {
    this.#rules = [];
  }

  /** What to do about a request, counting it. */
  take(path: string): Misdeed | undefined {
    const entry = this.#rules.find(({ rule, left }) => left > 0 && path.startsWith(rule.pathPrefix ?? ''));
    if (!entry) return undefined;
    entry.left -= 1;
    return entry.rule.misdeed;
  }
}

/**
 * Carries a misdeed out.
 * @returns whether the request should be answered properly all the same
 */
export async function commit(misdeed: Misdeed, response: ServerResponse): Promise<boolean> {
  switch (misdeed.kind) {
    case 'slow':
      await new Promise((resolve) => setTimeout(resolve, misdeed.delayMs).unref());
      return true;
    case 'held':
      await misdeed.until;
      return true;
    case 'hang':
      return false;
    case 'reset':
      response.socket?.resetAndDestroy();
      return false;
    case 'status':
      if (misdeed.retryAfter !== undefined) response.setHeader('retry-after', misdeed.retryAfter);
      response.writeHead(misdeed.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ errors: misdeed.errors ?? [] }));
      return false;
    case 'malformed':
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(`{"data": {"${misdeed.text ?? 'oops'}"`);
      return false;
    case 'truncated':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write(`{"data": {"${misdeed.text ?? ''}`, () => response.socket?.destroy());
      return false;
    case 'redirect':
      response.writeHead(307, { location: misdeed.location });
      response.end();
      return false;
    case 'oversized':
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(`{"data":"${misdeed.text ?? ''}${'x'.repeat(misdeed.bytes)}"}`);
      return false;
  }
}
