/** What a request asks for, in the words of Vault's policies. */
export type Operation = 'create' | 'read' | 'update' | 'delete' | 'list';

export type Fields = Readonly<Record<string, unknown>>;

export interface EngineRequest {
  readonly operation: Operation;
  /** Below the mount, without slashes at its ends. */
  readonly path: string;
  /** Where the engine is mounted, e.g. `secret`. */
  readonly mount: string;
  readonly body: Fields;
  readonly query: URLSearchParams;
  /** Who asks; absent on the paths that need no token. */
  readonly tokenId: string | undefined;
}

/** An answer before it is put into Vault's envelope. */
export interface EngineReply {
  /** 200 with a body, 204 without, unless said. */
  readonly status?: number;
  readonly data?: Fields | null;
  readonly auth?: Fields;
  readonly lease?: { readonly id: string; readonly durationSeconds: number; readonly renewable: boolean };
  readonly warnings?: readonly string[];
  /** Sent as it is, without the envelope: `sys/health`, `sys/seal-status`. */
  readonly raw?: Fields;
}

/** A secrets engine, an auth method or the system backend. */
export interface Engine {
  handle(request: EngineRequest): EngineReply | Promise<EngineReply>;
  /** Makes a write a `create` when it says no, and an `update` otherwise; absent means always `update`. */
  exists?(request: EngineRequest): boolean;
}

/** An error answer: `{"errors":[…]}` with a status. */
export class VaultFault extends Error {
  readonly status: number;
  readonly errors: readonly string[];

  constructor(status: number, ...errors: readonly string[]) {
    super(errors[0] ?? `status ${status}`);
    this.name = 'VaultFault';
    this.status = status;
    this.errors = errors;
  }
}

/** Vault's way to write an error that came from behind its router. */
export const wrapped = (text: string): string => `1 error occurred:\n\t* ${text}\n\n`;

export const notFound = (): VaultFault => new VaultFault(404);
export const unsupported = (): VaultFault => new VaultFault(405, wrapped('unsupported operation'));
