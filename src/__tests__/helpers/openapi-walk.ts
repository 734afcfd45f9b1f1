/** A place in an OpenAPI document, as a JSON Pointer says it, and what is there. */
export interface Place {
  readonly pointer: string;
  readonly value: Readonly<Record<string, unknown>>;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Where the values of an example start: what is in them is no part of the document. */
const values: readonly string[] = ['example', 'examples', 'default', 'const', 'enum', 'value'];

/** Every object in a document, but what is in its examples. */
export function* objectsIn(document: unknown, pointer = '#'): Generator<Place> {
  if (Array.isArray(document)) {
    for (const [index, item] of document.entries()) yield* objectsIn(item, `${pointer}/${index}`);
  } else if (isRecord(document)) {
    yield { pointer, value: document };
    for (const [name, member] of Object.entries(document)) {
      const isMap = pointer.endsWith('/properties');
      const isValue = !isMap && values.includes(name) && !(name === 'examples' && isRecord(member));
      if (!isValue)
        yield* objectsIn(member, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
    }
  }
}

/** What a reference within the document leads to; anything else is itself. */
export function resolve(document: unknown, value: unknown): unknown {
  if (!isRecord(value) || typeof value['$ref'] !== 'string') return value;
  const names = value['$ref'].slice(2).split('/');
  const target = names.reduce<unknown>((at, name) => (isRecord(at) ? at[name] : undefined), document);
  return resolve(document, target);
}
