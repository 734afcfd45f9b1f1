import type * as DomPurify from 'isomorphic-dompurify';
import { ValidationError } from '../../shared/errors/app-error.js';
import { countCharacters, normaliseText, richTextProblem } from '../../shared/validation/text.js';
import { maxNotesCharacters } from '../models/store.js';
import { decodeNotes, escapeText, rewriteTexts, writeText } from './notes-text.js';

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

/** DOMPurify takes time beyond proportion over nested elements: 4 000 characters of `<x>` keep it busy for 6 s. */
export const maxElements = 150;

/** The output of some markup, as input, gives another output; after this many rounds it is given up. */
const maxRounds = 5;

/** jsdom keeps memory from call to call; a fresh window now and then gives it back. */
const callsPerWindow = 500;

/** Makes rich text safe to show. Loads DOMPurify, which takes about a second, at the first text that needs it. */
export class NotesSanitizer {
  #domPurify: Promise<typeof DomPurify> | undefined;
  #calls = 0;

  /**
   * The result is a fixed point: sanitised again it stays as it is, so that notes can be sent back as they were shown.
   * @throws {ValidationError} if it cannot be had, or breaks the rules for text, which character references get round
   */
  async sanitize(notes: string): Promise<string> {
    if (!notes.includes('<')) return cleanText(notes);
    if ((notes.match(/<[a-z]/gi)?.length ?? 0) > maxElements) {
      throw refused('too_complex', `must have at most ${maxElements} HTML elements`);
    }
    let text = notes;
    for (let round = 0; round < maxRounds; round += 1) {
      const clean = await this.#clean(text);
      assertText(clean);
      const rewritten = rewriteTexts(clean);
      if (rewritten === text) return rewritten;
      text = rewritten;
    }
    throw refused('too_complex', 'must have HTML elements that are nested as HTML allows');
  }

  async #clean(notes: string): Promise<string> {
    this.#domPurify ??= import('isomorphic-dompurify');
    const { sanitize, clearWindow } = await this.#domPurify;
    this.#calls += 1;
    if (this.#calls % callsPerWindow === 0) clearWindow();
    const html = sanitize(notes, {
      ALLOWED_TAGS: allowedTags,
      ALLOWED_ATTR: allowedAttributes,
      ALLOWED_URI_REGEXP: allowedLinks,
      ALLOW_DATA_ATTR: false,
      ALLOW_ARIA_ATTR: false,
    });
    // HTML drops the first line end in a <pre>, each time it is read
    return normaliseText(html.replace(/(<pre(?: [a-z]+="[^"]*")*>)\n+/g, '$1'));
  }
}

/** Notes without any tag are the text of one: it is read, checked and written as a text between tags is. */
function cleanText(notes: string): string {
  if (!/[&\r]/.test(notes)) return notes;
  const text = normaliseText(decodeNotes(notes));
  assertText(escapeText(text));
  return writeText(text);
}

/** Rules for what a reader of the HTML sees, so that character references cannot get round them. */
function assertText(html: string): void {
  if (richTextProblem(decodeNotes(html)) !== undefined) {
    throw refused('invisible_character', 'must not contain control or invisible characters, however written');
  }
  if (countCharacters(html) > maxNotesCharacters) {
    throw refused('too_long', `must have at most ${maxNotesCharacters} characters as HTML`);
  }
}

function refused(code: string, rule: string): ValidationError {
  return new ValidationError([{ pointer: '#/notes', code, detail: `notes ${rule}` }]);
}
