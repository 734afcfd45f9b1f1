import { parentPort } from 'node:worker_threads';
import { clearWindow, sanitize } from 'isomorphic-dompurify';

// Entry of the thread that sanitises notes: gets a text, answers with its HTML. It imports nothing of ours, so that Node
// runs it as it is in development and tests, where no compiled file exists.

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

parentPort?.on('message', (notes: string) => {
  calls += 1;
  if (calls % callsPerWindow === 0) clearWindow();
  const html = sanitize(notes, {
    ALLOWED_TAGS: allowedTags,
    ALLOWED_ATTR: allowedAttributes,
    ALLOWED_URI_REGEXP: allowedLinks,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
  });
  parentPort?.postMessage(html);
});
