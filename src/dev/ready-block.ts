import { relative } from 'node:path';
import type { DevStack } from './dev-stack.js';
import { DATA_FILES } from './data-dir.js';
import { sampleStore } from './sample-store.js';

/** For a POSIX shell. */
const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** As one would type it here, if it is below. */
function shorten(path: string): string {
  const short = relative('', path);
  return short.startsWith('..') ? path : short;
}

/** What to read and paste once the stack is ready. Each command is one line that works on its own. */
export function renderReadyBlock(stack: DevStack, sampleCode: string, elapsedMs: number): string {
  const { url, keys } = stack;
  const store = sampleStore(sampleCode);
  const { code: _, ...changed } = { ...store, name: 'Berlin Friedrichstraße' };
  const as = (key: string): string => `-H ${quote(`Authorization: Bearer ${key}`)}`;
  const json = (body: object): string =>
    `-H 'Content-Type: application/json' --data ${quote(JSON.stringify(body))}`;
  const findId = [
    `curl -sS ${as(keys.operator)} ${quote(`${url}/api/stores?code=${sampleCode}`)}`,
    String.raw`sed 's/.*"id":"\([^"]*\)".*/\1/'`,
  ].join(' | ');

  return `
Ready in ${(elapsedMs / 1000).toFixed(1)} s.

  URL        ${url}   (browse the API at ${url}/docs)
  API keys   viewer    ${keys.viewer}
             operator  ${keys.operator}
             admin     ${keys.admin}
  API log    ${shorten(stack.logFile)}
  For tools  ${shorten(`${stack.dataDir}/${DATA_FILES.environment}`)}

Create a store:
curl -sS -X POST ${as(keys.operator)} ${json(store)} ${quote(`${url}/api/stores`)}

List stores:
curl -sS ${as(keys.viewer)} ${quote(`${url}/api/stores`)}

Update the store that was created:
curl -sS -X PUT ${as(keys.operator)} -H 'If-Match: "v1"' ${json(changed)} "${url}/api/stores/$(${findId})"

Ctrl-C stops everything.`;
}
