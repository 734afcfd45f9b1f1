import { AsyncLocalStorage } from 'node:async_hooks';

/** What every log line of one request carries. */
export interface RequestContext {
  readonly requestId: string;
  /** 32 hex digits (W3C Trace Context). */
  readonly traceId: string;
  /** Known once the caller is authenticated. */
  principalId?: string;
  /** What the line that ends the request says of its outcome, by field name. */
  outcome?: Readonly<Record<string, unknown>>;
}

const storage = new AsyncLocalStorage<RequestContext | undefined>();

export function runInRequestContext<T>(context: RequestContext, work: () => T): T {
  return storage.run(context, work);
}

/**
 * Runs work that belongs to no request, although one may have begun it: a timer, a connection that others will use, an
 * attempt that several requests share, a look at a node. Everything that this work begins inherits that, so its log lines
 * carry no request id and no user, however late they come. A request that awaits its promise stays what it is.
 */
export function outsideRequest<T>(work: () => T): T {
  return storage.run(undefined, work);
}

export function currentRequestContext(): RequestContext | undefined {
  return storage.getStore();
}

/**
 * Has the line that ends the present request say more of what came of it.
 * @param fields by field name; never what the caller sent as the value of a field
 */
export function noteOutcome(fields: Readonly<Record<string, unknown>>): void {
  const context = storage.getStore();
  if (context) context.outcome = { ...context.outcome, ...fields };
}
