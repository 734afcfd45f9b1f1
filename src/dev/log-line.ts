import { styleText } from 'node:util';

type Style = 'red' | 'green' | 'yellow' | 'cyan' | 'dim';
/** Puts a colour on a text, or not. */
export type Paint = (style: Style, text: string) => string;

/** Colours where the output is a terminal that has them, and `NO_COLOR` is not set. */
export function paintFor(stream: NodeJS.WritableStream): Paint {
  return (style, text) => styleText(style, text, { stream, validateStream: true });
}

interface LogLine {
  readonly '@timestamp'?: string;
  readonly 'log.level'?: string;
  readonly message?: string;
  readonly 'http.request.method'?: string;
  readonly 'url.path'?: string;
  readonly 'http.response.status_code'?: number;
  readonly 'event.duration_ms'?: number;
  readonly 'user.id'?: string;
  readonly 'store.id'?: string;
  readonly 'error.code'?: string;
  readonly 'error.pointers'?: readonly string[];
  readonly error?: { readonly message?: string };
}

/**
 * A line of the log as a person reads it: one for each request, and whatever is a warning or worse. The rest is for the file.
 * @param json one line of the log
 */
export function renderLogLine(json: string, paint: Paint): string | undefined {
  const line = JSON.parse(json) as LogLine;
  const time = paint('dim', (line['@timestamp'] ?? '').slice(11, 23));
  if (line['http.request.method'] !== undefined) return `${time} ${renderRequest(line, paint)}`;
  const level = line['log.level'] ?? '';
  if (level !== 'warn' && level !== 'error') return undefined;
  const reason = line.error?.message === undefined ? '' : `: ${line.error.message}`;
  const label = paint(level === 'warn' ? 'yellow' : 'red', level.padEnd(5));
  return `${time} ${label} ${printable(`${line.message ?? ''}${reason}`)}`;
}

function renderRequest(line: LogLine, paint: Paint): string {
  const status = line['http.response.status_code'] ?? 0;
  const style = status >= 500 ? 'red' : status >= 400 ? 'yellow' : 'green';
  // an answer that never went out has no status that means anything
  const outcome = line.message === 'Request answered' ? String(status) : 'aborted';
  const places = line['error.pointers'] ?? [];
  const storeId = line['store.id'];
  const parts = [
    paint(style, outcome),
    printable(`${(line['http.request.method'] ?? '').padEnd(6)} ${shorten(line['url.path'] ?? '')}`),
    paint('dim', `${String(line['event.duration_ms'])} ms`),
    line['user.id'] ?? '',
    storeId === undefined || line['url.path']?.includes(storeId) ? '' : printable(`store ${storeId}`),
    paintUnlessEmpty(style, printable([line['error.code'] ?? '', ...places].join(' ').trim()), paint),
  ];
  return parts.filter((part) => part !== '').join(' ');
}

function paintUnlessEmpty(style: Style, text: string, paint: Paint): string {
  return text === '' ? '' : paint(style, text);
}

const maxPath = 120;

function shorten(path: string): string {
  return path.length <= maxPath ? path : `${path.slice(0, maxPath)}…`;
}

/** What callers send must not steer the terminal. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '�');
}
