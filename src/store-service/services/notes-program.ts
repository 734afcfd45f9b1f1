import { clearWindow, sanitize } from 'isomorphic-dompurify';

// Entry of the process that sanitises notes: gets a text, answers with its HTML. It imports nothing of ours, so that Node
// runs it as it is in development and tests, where no compiled file exists. It ends when the service does, for then nothing
// keeps it.

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
let calls = 0;

// Ctrl-C in a terminal goes to all processes: the service says when this one ends
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);

process.on('message', (notes: string) => {
  calls += 1;
  if (calls % callsPerWindow === 0) clearWindow();
  const html = sanitize(notes, {
    ALLOWED_TAGS: allowedTags,
    ALLOWED_ATTR: allowedAttributes,
    ALLOWED_URI_REGEXP: allowedLinks,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
  });
  process.send?.(html);
});
