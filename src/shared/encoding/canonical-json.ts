/**
 * JSON with object members sorted by name and no white space, so that equal values give equal text
 * (the ordering of RFC 8785; numbers and strings as ECMAScript writes them, which is what that RFC asks for).
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_name, item: unknown) => (isPlainObject(item) ? sortMembers(item) : item));
}

function sortMembers(object: object): object {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
