import type { Fields } from './engine.js';
import { VaultFault } from './engine.js';

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A duration as Vault takes it: a number of seconds, or a text such as `90`, `1h30m`. In milliseconds. */
export function durationMs(value: unknown, fallbackMs: number): number {
  if (value === undefined || value === null || value === '') return fallbackMs;
  if (typeof value === 'number') return value * 1000;
  if (typeof value !== 'string') throw new VaultFault(400, 'invalid duration');
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/gy)];
  if (parts.length === 0 || parts.map(([text]) => text).join('') !== value) {
    throw new VaultFault(400, 'invalid duration');
  }
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (unitMs[unit ?? 's'] ?? 0), 0);
}

export function text(body: Fields, name: string): string | undefined {
  const value = body[name];
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export function integer(body: Fields, name: string): number | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new VaultFault(400, `error converting input for field "${name}"`);
  return number;
}

/** A list, given as one or as comma-separated text. */
export function texts(body: Fields, name: string): string[] {
  const value = body[name];
  if (Array.isArray(value)) return value.map(String);
  return typeof value === 'string'
    ? value
        .split(',')
        .map((item) => item.trim())
        .filter(Boolean)
    : [];
}

export function record(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

/** Records of a list; anything else in it becomes an empty record. */
export function records(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map((item: unknown) => record(item) ?? {}) : [];
}

export const timestamp = (ms: number): string => new Date(ms).toISOString();
