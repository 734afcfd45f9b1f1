/** Writes rows in columns that are as wide as their widest cell; the first row is the heading. */
export function writeTable(out: NodeJS.WritableStream, table: readonly (readonly string[])[]): void {
  const rows = table.map((row) => row.map(printable));
  const widths =
    rows[0]?.map((_title, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of rows) {
    const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    out.write(`${cells.join('  ').trimEnd()}\n`);
  }
}

/** Without control characters, which could do anything to a terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?');
}
