declare const checked: unique symbol;

/** A path below `/v1/` whose every segment was checked. */
export type VaultPath = string & { readonly [checked]: true };

/**
 * Letters, digits, `.`, `_`, `-`, starting with a letter, digit or underscore: so `..`, an empty segment, `?`, `%`,
 * and the `&#x2F;` that node-vault turns into a slash cannot get into a path.
 */
const segmentPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/**
 * Joins parts into a path; a part may itself hold several segments (`team/kv`).
 * @throws {TypeError} if a segment is empty or has a character that does not belong; the text is not quoted
 */
export function vaultPath(...parts: readonly string[]): VaultPath {
  const segments = parts.flatMap((part) => part.split('/'));
  const bad = segments.findIndex((segment) => !segmentPattern.test(segment));
  if (bad !== -1 || segments.length === 0) {
    throw new TypeError(`Segment ${bad + 1} of a Vault path is not allowed`);
  }
  return segments.join('/') as VaultPath;
}
