/** Texts that are built for each question must not fill the memory of every session of the server. */
const maxNames = 200;

const names = new Map<string, string>();

/**
 * A name for a statement, under which a session of Postgres parses and plans it once and then only runs it (PostgreSQL
 * documentation, "Extended Query"); undefined for those beyond the first few hundred.
 */
export function statementName(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined || names.size >= maxNames) return known;
  const name = `s${names.size}`;
  names.set(text, name);
  return name;
}
