/** The `code` of a system or database error: ENOENT, EADDRINUSE, 28P01 … */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** For `.catch()`: lets the errors with one of these codes pass as `undefined`, throws all others. */
export function ignoring(...codes: string[]): (error: unknown) => undefined {
  return (error) => {
    const code = codeOf(error);
    if (code !== undefined && codes.includes(code)) return undefined;
    throw error;
  };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
