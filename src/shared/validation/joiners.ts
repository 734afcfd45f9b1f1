import { createRequire } from 'node:module';

/** What a character is replaced by that is a letter, or part of one, where it stands. */
const visible = '\u25a1';

/** Expressions of the package tr46, generated from the Unicode database for domain names, which have the same rules. */
interface UnicodeExpressions {
  /** Characters of the combining class Virama. */
  readonly combiningClassVirama: RegExp;
  /** U+200C between letters that join (RFC 5892, A.1, the second rule). */
  readonly validZWNJ: RegExp;
}

/** An emoji, or two and more with U+200D in between (UTS 51, ED-16). */
const emojiSequence = /\p{ExtPict}[\ufe0f\p{EMod}]?(?:\u200d\p{ExtPict}[\ufe0f\p{EMod}]?)+/gu;

/** A flag of a part of a country, written with tag characters (UTS 51, ED-14a). */
const tagSequence = /\p{RGI_Emoji_Tag_Sequence}/gv;

/** What a variation selector can follow (StandardizedVariants.txt, emoji-variation-sequences.txt, IVD). */
const variationSequence =
  /[\p{Emoji}\p{S}\p{N}\p{Ideographic}\p{Script=Mongolian}\p{Script=Myanmar}\p{Script=Phags_Pa}\p{Script=Manichaean}\p{Script=Egyptian_Hieroglyphs}\u3001\u3002\uff01\uff0c\uff0e\uff1a\uff1b\uff1f]\p{Variation_Selector}/gu;

let joiner: RegExp | undefined;

/**
 * Replaces the invisible characters of a text that change how it is read by visible ones: joiners in the scripts that
 * need them, and what makes one emoji of several. All others are left: they are there to be found.
 */
export function showMeaningfulCharacters(text: string): string {
  joiner ??= readJoiner();
  return text
    .replaceAll(joiner, visible)
    .replaceAll(emojiSequence, (sequence) => (isEmoji(sequence) ? visible : sequence))
    .replaceAll(tagSequence, visible)
    .replaceAll(variationSequence, visible);
}

/** Whether this is one emoji of those for general interchange, with or without its variation selectors (UTS 51, ED-27). */
function isEmoji(sequence: string): boolean {
  const qualified = sequence.replaceAll(
    /(?!\p{Emoji_Presentation})(\p{ExtPict})(?![\ufe0f\p{EMod}])/gu,
    '$1\ufe0f',
  );
  return /^\p{RGI_Emoji_ZWJ_Sequence}$/v.test(qualified);
}

/**
 * U+200C and U+200D where they are letters: after a virama (RFC 5892, A.1 and A.2), U+200C between letters that join
 * (A.1), and U+200D between a letter and a virama, as Bengali writes ra with ya-phalaa (The Unicode Standard, 12.2).
 */
function readJoiner(): RegExp {
  const load = createRequire(import.meta.url);
  const { combiningClassVirama, validZWNJ } = load('tr46/lib/regexes.js') as UnicodeExpressions;
  const virama = combiningClassVirama.source;
  const [before, after] = validZWNJ.source.split('\\u200C');
  return new RegExp(
    `(?<=${virama})[\\u200c\\u200d]|(?<=${before})\\u200c(?=${after})|(?<=\\p{L})\\u200d(?=${virama})`,
    'gu',
  );
}
