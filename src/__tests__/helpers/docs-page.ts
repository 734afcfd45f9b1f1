import { writeSync } from 'node:fs';
import { JSDOM, VirtualConsole } from 'jsdom';
import { waitUntil } from '../../dev/wait-until.js';

/** What somebody sees who opens the page of the documentation. */
export interface DocsPageView {
  readonly operations: number;
  /** Texts of boxes that warn. */
  readonly warnings: readonly string[];
  /** What was written to the console, or thrown. */
  readonly complaints: readonly string[];
  /** Origins that something was fetched from. */
  readonly origins: readonly string[];
  /** The body that "Try it out" offers for a new store. */
  readonly body: string;
  /** Headers and parameters that it fills in by itself. */
  readonly filledIn: Readonly<Record<string, string>>;
}

/**
 * A process that opens the page in a browser without a screen, and prints what it sees as JSON; run by tsx. The page's
 * scripts replace globals, so they get a process of their own.
 */
const [url = ''] = process.argv.slice(2);
const complaints: string[] = [];
const origins = new Set<string>();
const virtualConsole = new VirtualConsole();
for (const kind of ['error', 'warn'] as const)
  virtualConsole.on(kind, (...words: unknown[]) => complaints.push(words.join(' ')));
virtualConsole.on('jsdomError', (error) => complaints.push(error.message));

const { window } = await JSDOM.fromURL(url, {
  runScripts: 'dangerously',
  resources: 'usable',
  pretendToBeVisual: true,
  virtualConsole,
  beforeParse: (page) => {
    const fetchFromPage = (input: string | URL, init?: RequestInit): Promise<Response> => {
      const target = new URL(input, url);
      origins.add(target.origin);
      return fetch(target, init);
    };
    // jsdom has no layout, and complains where a page scrolls
    const scrollTo = (): void => undefined;
    Object.assign(page, { fetch: fetchFromPage, Request, Response, Headers, scrollTo });
  },
});
const { document } = window;

function find<E extends Element>(selector: string): Promise<E> {
  return waitUntil(selector, () => document.querySelector<E>(selector) ?? undefined, { timeoutMs: 45_000 });
}

const create = '#operations-Stores-createStore';
(await find<HTMLElement>(`${create} .opblock-summary-control`)).click();
(await find<HTMLElement>(`${create} .try-out__btn`)).click();
const { value: body } = await find<HTMLTextAreaElement>(`${create} textarea`);
const inputs = [...document.querySelectorAll<HTMLInputElement>(`${create} .parameters input`)];
for (const link of document.querySelectorAll<HTMLLinkElement | HTMLScriptElement>(
  'link[href], script[src]',
)) {
  const target = new URL('src' in link ? link.src : link.href, url);
  if (target.protocol !== 'data:') origins.add(target.origin);
}
const boxes = document.querySelectorAll('.errors-wrapper, .error-wrapper, .version-pragma');
const view: DocsPageView = {
  operations: document.querySelectorAll('.opblock').length,
  warnings: [...boxes].map(({ textContent }) => textContent),
  complaints,
  origins: [...origins],
  body,
  filledIn: Object.fromEntries(
    inputs.filter(({ value }) => value !== '').map(({ placeholder, value }) => [placeholder, value]),
  ),
};
window.close();
writeSync(1, JSON.stringify(view));
