import { readFileSync } from 'node:fs';

export interface ServiceInfo {
  /** As package.json says it. */
  readonly version: string;
}

export function readServiceInfo(): ServiceInfo {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(text) as ServiceInfo;
  return { version };
}
