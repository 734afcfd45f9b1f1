import type * as DomPurify from 'isomorphic-dompurify';

/** A small subset of HTML: what a note needs, and nothing that loads, runs or leads the reader astray. */
const allowedTags = [
  'p',
  'br',
  'b',
  'strong',
  'i',
  'em',
  'u',
  's',
  'ul',
  'ol',
  'li',
  'code',
  'pre',
  'blockquote',
  'a',
];
const allowedAttributes = ['href', 'title'];
const allowedLinks = /^(https?:|mailto:|tel:)/i;

/** jsdom keeps memory from call to call; a fresh window now and then gives it back. */
const callsPerWindow = 500;

/** Makes rich text safe to show. Loads DOMPurify, which takes about a second, at the first text that needs it. */
export class NotesSanitizer {
  #domPurify: Promise<typeof DomPurify> | undefined;
  #calls = 0;

  /** @param notes of bounded length: some markup takes time beyond proportion */
  async sanitize(notes: string): Promise<string> {
    if (!/[<&]/.test(notes)) return notes;
    this.#domPurify ??= import('isomorphic-dompurify');
    const { sanitize, clearWindow } = await this.#domPurify;
    this.#calls += 1;
    if (this.#calls % callsPerWindow === 0) clearWindow();
    return sanitize(notes, {
      ALLOWED_TAGS: allowedTags,
      ALLOWED_ATTR: allowedAttributes,
      ALLOWED_URI_REGEXP: allowedLinks,
      ALLOW_DATA_ATTR: false,
      ALLOW_ARIA_ATTR: false,
    }).trim();
  }
}
