import fc from 'fast-check';
import { createContext, Script } from 'node:vm';

/** UTF-16 units of the longest text that a request can bring to a pattern. */
export const longestText = 64 * 1024;
/** Below that, a search counts as quick whatever its growth. A square of 64 Ki takes seconds. */
const quickMs = 20;
/** Four times the text may take four times as long; sixteen times as long is the square. */
const mostGrowth = 9;
/** After which a single search is given up. */
const giveUpMs = 3_000;

const context = createContext({ pattern: /x/, text: '' });
const search = new Script('text.replace(pattern, "")');

/**
 * Whether searching texts of this make takes time in proportion to their length. Longer texts are tried only once shorter ones
 * went well, and what is slow only because the machine is busy is measured again.
 * @param make gives a text of about so many UTF-16 units
 */
export function isLinear(pattern: RegExp, make: (length: number) => string): boolean {
  const flags = pattern.flags.includes('g') ? pattern.flags : `${pattern.flags}g`;
  const global = new RegExp(pattern.source, flags);
  const timeAt = (length: number): number => searchMs(global, make(length));
  for (const length of [longestText / 16, longestText / 4, longestText]) {
    if (!isInProportion(timeAt, length)) return false;
  }
  return true;
}

function isInProportion(timeAt: (length: number) => number, length: number): boolean {
  let best = Number.POSITIVE_INFINITY;
  let shorter = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 5; attempt += 1) {
    best = Math.min(best, timeAt(length));
    if (best <= quickMs) return true;
    if (best === Number.POSITIVE_INFINITY) return false;
    shorter = Math.min(shorter, timeAt(length / 4));
  }
  return best <= shorter * mostGrowth;
}

function searchMs(pattern: RegExp, text: string): number {
  Object.assign(context, { pattern, text });
  const startedAt = performance.now();
  try {
    search.runInContext(context, { timeout: giveUpMs });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    return Number.POSITIVE_INFINITY;
  }
  return performance.now() - startedAt;
}

/** Texts that are hard for a pattern: what it is made of, repeated, alone, behind a beginning of its own, and without an end. */
export function hardTexts(pattern: RegExp): ((length: number) => string)[] {
  const { source } = pattern;
  const letters = source.replace(/\\[pP]\{[^}]*\}|\\u\{?[0-9a-fA-F]+\}?|\\x[0-9a-fA-F]{2}|\\[a-zA-Z]/g, '');
  const own = [...new Set(letters)].filter((character) => !'\\^$()[]{}?*+|'.includes(character));
  const characters = [...new Set([...own, ...Array.from('aA0 \n,.:;"=-_/<&\u0301\u200d')])];
  // the longest run of plain characters is how a match begins, more often than not
  const words = (source.match(/(?:\\?[\w/:<@ -])+/g) ?? []).map((word) => word.replaceAll('\\', ''));
  const starts = ['', ...words.slice(0, 4)];
  const pieces = [
    ...characters,
    ...words.slice(0, 6),
    ...nearMatches(pattern),
    ...characters.slice(0, 8).map((character) => `${character}a`),
  ];
  return starts.flatMap((start) =>
    pieces.map(
      (piece) => (length: number) =>
        `${start}${piece.repeat(Math.max(1, Math.floor(length / piece.length)))}\u0000`,
    ),
  );
}

/** What matches, but for its last character: repeated, each could be where a match begins. */
function nearMatches(pattern: RegExp): string[] {
  // fast-check makes no texts for these
  if (/\(\?<?[=!]|\\p|\\b/i.test(pattern.source) || /[uvmy]/.test(pattern.flags)) return [];
  const matches = fc.sample(
    fc.stringMatching(new RegExp(pattern.source, pattern.flags.replace(/[gi]/g, ''))),
    {
      numRuns: 6,
      seed: 7,
    },
  );
  return matches.map((match) => match.slice(0, -1)).filter((piece) => piece !== '');
}
