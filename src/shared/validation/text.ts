import { showMeaningfulCharacters } from './joiners.js';

/** Why a text is not plain text; `undefined` when it is. */
export type TextProblem = 'control_character' | 'invisible_character' | 'lone_surrogate' | 'markup';

const controlCharacters = /[\p{Cc}\p{Zl}\p{Zp}]/u;
const controlCharactersButLayout = /[^\P{Cc}\t\n\r]/u;

/**
 * Format characters change how a text looks without being seen: bidirectional controls, zero-width characters,
 * soft hyphens, tags, fillers. The Arabic and Syriac number and abbreviation marks are of the same category, but visible.
 */
const invisibleCharacters =
  /(?![\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2])[\p{Cf}\p{Default_Ignorable_Code_Point}]|\p{Noncharacter_Code_Point}/u;

/** Where HTML's tokenizer leaves plain text: `<` before a letter, `/`, `!` or `?` (WHATWG HTML, 13.2.5.6). */
const markup = /<[A-Za-z/!?]/;

/** Normalises to NFC and trims white space, as every text field is before it is looked at. */
export function normaliseText(text: string): string {
  const normal = text.normalize('NFC');
  // ECMAScript counts the byte order mark as white space; it is an invisible character, to be refused at the ends, too
  return normal.includes('\ufeff') ? normal : normal.trim();
}

/** What keeps a normalised text from being one line of plain text. `5 < 6` and `Tom & Jerry's` are fine. */
export function plainTextProblem(text: string): TextProblem | undefined {
  return characterProblem(text, controlCharacters) ?? (markup.test(text) ? 'markup' : undefined);
}

/** What keeps a normalised text from being rich text: markup, tabs and line ends are allowed. */
export function richTextProblem(text: string): TextProblem | undefined {
  return characterProblem(text, controlCharactersButLayout);
}

function characterProblem(text: string, controls: RegExp): TextProblem | undefined {
  if (!text.isWellFormed()) return 'lone_surrogate';
  if (controls.test(text)) return 'control_character';
  if (!invisibleCharacters.test(text)) return undefined;
  return invisibleCharacters.test(showMeaningfulCharacters(text)) ? 'invisible_character' : undefined;
}

/** Length in characters as JSON Schema counts them: code points, not UTF-16 units. */
export function countCharacters(text: string): number {
  return Array.from(text).length;
}
