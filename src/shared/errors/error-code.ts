// No `instanceof Error` here: jest runs tests in a realm of their own, whose Error is not that of Node's modules.

function textProperty(error: unknown, name: string): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const value: unknown = Reflect.get(error, name);
  return typeof value === 'string' ? value : undefined;
}

/** The `code` of a system or database error: ENOENT, EADDRINUSE, 28P01 … */
export function codeOf(error: unknown): string | undefined {
  return textProperty(error, 'code');
}

export function messageOf(error: unknown): string {
  return textProperty(error, 'message') ?? String(error);
}

/** What a program that failed wrote to its standard error. */
export function stderrOf(error: unknown): string {
  return textProperty(error, 'stderr')?.trim() ?? '';
}

/** For `.catch()`: lets the errors with one of these codes pass as `undefined`, throws all others. */
export function ignoring(...codes: string[]): (error: unknown) => undefined {
  return (error) => {
    const code = codeOf(error);
    if (code !== undefined && codes.includes(code)) return undefined;
    throw error;
  };
}
