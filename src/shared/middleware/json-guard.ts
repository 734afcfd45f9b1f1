import { visit } from 'jsonc-parser';
import { MalformedInputError } from '../errors/app-error.js';
import { shortName } from '../validation/short-name.js';

export const maxJsonDepth = 10;

/**
 * Parses a request body, and refuses what JSON.parse lets pass: duplicate keys, keys that reach prototypes, deep
 * nesting, anything that is not an object.
 * @throws {MalformedInputError}
 */
export function parseJsonObject(bytes: Buffer): object {
  const text = decodeUtf8(bytes);
  if (text.trim() === '') throw new MalformedInputError('body_required', 'The body is empty');
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedInputError('malformed_json', 'The body must be a JSON object');
  }
  checkStructure(text);
  return value;
}

/** RFC 8259, section 8.1: JSON is UTF-8; a byte order mark may be ignored. */
function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new MalformedInputError('malformed_json', 'The body is not valid UTF-8');
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new MalformedInputError('malformed_json', 'The body is not valid JSON');
  }
}

/** Throwing from the visitor ends the walk, so nesting never reaches the depth of the stack. */
function checkStructure(text: string): void {
  const objects: Set<string>[] = [];
  let depth = 0;
  const enter = (): void => {
    depth += 1;
    if (depth > maxJsonDepth) {
      throw new MalformedInputError('too_deep', `The body is nested more than ${maxJsonDepth} deep`);
    }
  };
  const leave = (): void => {
    depth -= 1;
  };
  visit(text, {
    onObjectBegin: () => {
      enter();
      objects.push(new Set());
    },
    onObjectEnd: () => {
      leave();
      objects.pop();
    },
    onArrayBegin: enter,
    onArrayEnd: leave,
    onObjectProperty: (name, _offset, _length, _line, _character, pathOfParent) => {
      checkKey(name, pathOfParent().at(-1));
      const names = objects.at(-1);
      if (names?.has(name))
        throw new MalformedInputError('duplicate_key', `The body has the key "${shortName(name)}" twice`);
      names?.add(name);
    },
  });
}

function checkKey(name: string, parent: string | number | undefined): void {
  const isForbidden = name === '__proto__' || (name === 'prototype' && parent === 'constructor');
  if (isForbidden) throw new MalformedInputError('forbidden_key', `The body must not have the key "${name}"`);
}
