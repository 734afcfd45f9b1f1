import { ValidationError } from '../../shared/errors/app-error.js';
import {
  countCharacters,
  isSurelyTooLong,
  normaliseText,
  richTextProblem,
} from '../../shared/validation/text.js';
import { maxNotesCharacters } from '../models/store.js';
import { NotesProcess } from './notes-process.js';
import { decodeNotes, escapeText, rewriteTexts, writeText } from './notes-text.js';

/** DOMPurify takes time beyond proportion over nested elements: 4 000 characters of `<x>` keep it busy for 6 s. */
export const maxElements = 150;

/** The output of some markup, as input, gives another output; after this many rounds it is given up. */
const maxRounds = 5;

/** Makes rich text safe to show, in a process of its own. */
export class NotesSanitizer {
  readonly #process: Pick<NotesProcess, 'clean' | 'close'>;

  constructor(process: Pick<NotesProcess, 'clean' | 'close'> = new NotesProcess()) {
    this.#process = process;
  }

  /**
   * The result is a fixed point: sanitised again it stays as it is, so that notes can be sent back as they were shown.
   * @throws {ValidationError} if it cannot be had, or breaks the rules for text, which character references get round
   * @throws {OverloadedError | DependencyUnavailableError} if it cannot be told now
   */
  async sanitize(notes: string): Promise<string> {
    if (isSurelyTooLong(notes, maxNotesCharacters)) throw tooLong();
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

  /** Ends the process that does the work. */
  close(): Promise<void> {
    return this.#process.close();
  }

  async #clean(notes: string): Promise<string> {
    const html = await this.#process.clean(notes);
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
  if (isSurelyTooLong(html, maxNotesCharacters)) throw tooLong();
  if (richTextProblem(decodeNotes(html)) !== undefined) {
    throw refused('invisible_character', 'must not contain control or invisible characters, however written');
  }
  if (countCharacters(html) > maxNotesCharacters) throw tooLong();
}

function tooLong(): ValidationError {
  return refused('too_long', `must have at most ${maxNotesCharacters} characters as HTML`);
}

function refused(code: string, rule: string): ValidationError {
  return new ValidationError([{ pointer: '#/notes', code, detail: `notes ${rule}` }]);
}
