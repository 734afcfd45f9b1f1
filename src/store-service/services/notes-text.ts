import { decodeHTML } from 'entities';

/** A tag as DOMPurify writes it, of the few elements and attributes that notes may have. */
const tag = /(<\/?[a-z]+(?: [a-z]+="[^"]*")*>)/;

/** What may be a character reference, with or without its semicolon; the longest has 33 characters. */
const reference = /^&[#A-Za-z0-9]{1,33};?/;

/** The text of notes as a reader sees it, attributes and all: what character references stand for, in their place. */
export function decodeNotes(html: string): string {
  return decodeHTML(html).replaceAll(/\r\n?/g, '\n');
}

/** A text as every serialiser of HTML writes it (WHATWG HTML, 13.3). */
export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Writes the texts between the tags of sanitised notes as `writeText` does. */
export function rewriteTexts(html: string): string {
  return html
    .split(tag)
    .map((part, index) => (index % 2 === 1 ? part : writeText(decodeNotes(part))))
    .join('');
}

/**
 * The shortest HTML for a text, which is the text itself where HTML reads it so: `Tom & Jerry` stays as it was typed. A
 * text that holds a `<`, and so may look like a tag, is escaped throughout; else only a `&` that would begin a reference.
 */
export function writeText(text: string): string {
  if (text.includes('<')) return escapeText(text);
  return text.replaceAll('&', (ampersand, place: number) => {
    const [candidate = ampersand] = reference.exec(text.slice(place, place + 35)) ?? [];
    return decodeHTML(candidate) === candidate ? ampersand : '&amp;';
  });
}
