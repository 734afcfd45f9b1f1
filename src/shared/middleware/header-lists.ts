/** A directive or preference: a name in lower case, perhaps with a value. */
export interface Directive {
  readonly name: string;
  readonly value: string | undefined;
}

/** `token [ = ( token / quoted-string ) ]`; RFC 9110, section 5.6, with the white space that RFC 7240 allows. */
const directivePattern =
  /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:[ \t]*=[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|"((?:[^"\\]|\\.)*)"))?$/s;

/** The parts of a header between separators that stand outside quoted strings; undefined if a quote is not closed. */
export function splitOutsideQuotes(text: string, separator: ',' | ';'): string[] | undefined {
  const parts: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (character === '"') isQuoted = !isQuoted;
    else if (character === '\\' && isQuoted) index += 1;
    else if (character === separator && !isQuoted) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  parts.push(text.slice(start));
  return isQuoted ? undefined : parts;
}

/** Undefined for what is no directive. */
export function parseDirective(text: string): Directive | undefined {
  const [, name, token, quoted] = directivePattern.exec(text.trim()) ?? [];
  if (name === undefined) return undefined;
  return { name: name.toLowerCase(), value: token ?? quoted?.replaceAll(/\\(.)/gs, '$1') };
}
