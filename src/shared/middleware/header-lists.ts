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

/** The members of a list whose members hold no quotes; empty ones are ignored (RFC 9110, section 5.6.1.2). */
export function nonEmptyMembers(header: string): string[] {
  return header
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '');
}

/** An entity tag of a list: `opaque` with its quotes (RFC 9110, section 8.8.3). */
export interface EntityTag {
  readonly isWeak: boolean;
  readonly opaque: string;
}

/** One member of a list of entity tags, or none, up to the next comma. A backslash in a tag stands for itself. */
const tagMember = /[ \t]*(?:(W\/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*)?(?:,|$)/y;

/** The entity tags of a list, of which there is at least one; empty members are ignored. Undefined for anything else. */
export function parseEntityTags(header: string): EntityTag[] | undefined {
  const tags: EntityTag[] = [];
  tagMember.lastIndex = 0;
  while (tagMember.lastIndex < header.length) {
    const match = tagMember.exec(header);
    if (!match) return undefined;
    const [, weak, opaque] = match;
    if (opaque !== undefined) tags.push({ isWeak: weak !== undefined, opaque });
  }
  return tags.length > 0 ? tags : undefined;
}
