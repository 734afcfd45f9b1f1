/**
 * JSON with object members sorted by name and no white space, so that equal values give equal text
 * (RFC 8785: members by UTF-16 code units; numbers and strings as ECMAScript writes them). Members without a value are
 * left out.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  // written out by hand: an object would put names of digits first, whatever order they are given in
  const members = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, item]) => `${JSON.stringify(name)}:${canonicalJson(item)}`);
  return `{${members.join(',')}}`;
}
