import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { normaliseText, plainTextProblem } from '../../../shared/validation/text.js';

const problemOf = (text: string) => plainTextProblem(normaliseText(text));

describe('a joiner', () => {
  it.each([
    ['Persian', 'می\u200cخواهم خانه\u200cها'],
    ['Hindi, after a virama', 'क्\u200cष कर्\u200dम'],
    ['Sinhala', 'ශ්\u200dරී ලංකා'],
    ['Bengali, ra with ya-phalaa', 'র\u200d্যাব'],
    ['Malayalam', 'ന്\u200d'],
    ['a profession', '👩\u200d💻'],
    ['a skin tone', '👩🏽\u200d🚀'],
    ['a family', '👨\u200d👩\u200d👧\u200d👦'],
    ['a flag', '🏳\ufe0f\u200d🌈'],
    ['a flag without its variation selector', '🏳\u200d🌈'],
    ['two in a row', '👩\u200d💻👩\u200d💻'],
  ])('belongs to the text: %s', (_name, text) => {
    expect(problemOf(text)).toBeUndefined();
  });

  it.each([
    ['between Latin letters', 'a\u200cb'],
    ['between Latin letters, too', 'a\u200db'],
    ['alone', '\u200d'],
    ['after an emoji', '😀\u200d'],
    ['before an emoji', '\u200d😀'],
    ['between an emoji and a letter', '😀\u200da'],
    ['between emoji that make none together', '🏪\u200d🏪'],
    ['between digits, which are emoji to Unicode', '1\u200d2'],
    ['at the end of a Persian word', 'خانه\u200c'],
    ['after a letter that joins to nothing behind it', 'ا\u200cب'],
    ['U+200D between Persian letters', 'می\u200dخواهم'],
    ['twice', 'क्\u200c\u200cष'],
    ['beside a soft hyphen', 'می\u00ad\u200cخواهم'],
  ])('is an invisible character: %s', (_name, text) => {
    expect(problemOf(text)).toBe('invisible_character');
  });
});

describe('other characters that are not seen', () => {
  it.each([
    '🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}',
    '☕\ufe0f',
    '1\ufe0f\u20e3',
    '葛\u{e0100}',
    'ᠠ\u180b',
  ])('belong to the text where Unicode has a sequence for them: %s', (text) => {
    expect(problemOf(text)).toBeUndefined();
  });

  it.each([
    ['tags without a flag', 'a\u{e0067}\u{e007f}'],
    ['a flag of no place', '🏴\u{e0067}\u{e0062}\u{e007a}\u{e007a}\u{e007a}\u{e007f}'],
    ['a variation selector of a letter', 'Berlin\ufe0f'],
    ['two variation selectors', '☕\ufe0f\ufe0f'],
    ['an override', 'می\u202eخواهم'],
    ['a mark of direction beside an emoji', '👩\u200d💻\u200f'],
    ['an isolate', '\u2066a\u2069'],
  ])('are refused: %s', (_name, text) => {
    expect(problemOf(text)).toBe('invisible_character');
  });

  it('are found wherever they stand, whatever stands around them', () => {
    const around = fc.array(
      fc.constantFrom('👩\u200d💻', 'می\u200cخ', 'क्\u200dष', '☕\ufe0f', 'a', ' ', '1'),
      { maxLength: 8 },
    );
    const hidden = fc.constantFrom(
      '\u202a',
      '\u202e',
      '\u2066',
      '\u200b',
      '\u200e',
      '\u2060',
      '\u00ad',
      '\ufeff',
      '\u{e0001}',
    );
    fc.assert(
      fc.property(around, hidden, around, (before, character, after) => {
        expect(problemOf([...before, character, ...after].join(''))).toBe('invisible_character');
      }),
    );
  });
});

describe('the time for a text', () => {
  it.each([
    ['letters that join', 'م'.repeat(32_000) + '\u200c'],
    ['joiners', '\u200d'.repeat(32_000)],
    ['marks between letters that join', 'م' + '\u0651'.repeat(32_000) + '\u200c'],
    ['emoji', '👩\u200d💻'.repeat(6_000)],
    ['emoji cut short', '👩\u200d'.repeat(10_000)],
    ['tags', '🏴' + '\u{e0067}'.repeat(16_000)],
    ['variation selectors', '☕\ufe0f'.repeat(16_000)],
  ])('grows no faster than its length: %s', (_name, text) => {
    problemOf(text);
    const before = process.cpuUsage();
    problemOf(text);
    // a few milliseconds where the time is in proportion, seconds where it is not
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(300);
  });
});
