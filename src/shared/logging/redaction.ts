/** Field names whose values never reach a log line, whatever object they sit in. */
const sensitiveName =
  /^(authorization|cookie|set-cookie|password|passphrase|secret|token|api[-_]?key|client[-_]?token|contact|email|phone|plaintext|private[-_]?key)$/i;

/** A pattern of a credential, and what is shown in its place. */
type Mask = readonly [pattern: RegExp, mask: string];

/** Credentials that could sit inside a text: our API keys and bearer headers. */
const tokens: readonly Mask[] = [
  [/spk_([A-Za-z0-9-]+)_[A-Za-z0-9_-]+/g, 'spk_$1_[redacted]'],
  [/\bBearer\s+[^\s"',]+/gi, 'Bearer [redacted]'],
];
/** Passwords in connection strings, up to the last "@" before the path: it may stand in the password as it is. */
const password: Mask = [/(:\/\/[^\s:/@]*):[^\s/"]+@/g, '$1:[redacted]@'];
/** The same in a text that was cut, perhaps between the password and its "@". */
const cutPassword: Mask = [/(:\/\/[^\s:/@]*):[^\s/"]+(?:@|$)/g, '$1:[redacted]@'];
const whole: readonly Mask[] = [...tokens, password];
const cut: readonly Mask[] = [...tokens, cutPassword];

const maxDepth = 6;
/** Longest text in a log line, in UTF-16 units: a stack with its frames fits. Callers decide on many texts that are logged. */
export const maxLoggedLength = 8_192;
/** Entries of a list or an object that are logged. */
const maxLoggedEntries = 100;

/**
 * A copy of `value` that is safe to log: sensitive fields are replaced, credentials inside texts are masked, and what is
 * long is cut before it is looked at.
 */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= maxDepth) return '[nested]';
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Error) return redact(describeError(value), depth);
  if (Array.isArray(value)) return value.slice(0, maxLoggedEntries).map((item) => redact(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, maxLoggedEntries)
      .map(([name, item]) => [
        name.slice(0, maxLoggedLength),
        sensitiveName.test(name) ? '[redacted]' : redact(item, depth + 1),
      ]),
  );
}

export function redactText(text: string): string {
  if (text.length <= maxLoggedLength) return mask(text, whole);
  return `${mask(text.slice(0, maxLoggedLength), cut)}… (${text.length} characters)`;
}

function mask(text: string, masks: readonly Mask[]): string {
  return masks.reduce((result, [pattern, shown]) => result.replace(pattern, shown), text);
}

/** Name, code, message, stack and cause of an error; other properties may carry payloads. */
function describeError(error: Error): Record<string, unknown> {
  return {
    type: error.name,
    message: error.message,
    ...('code' in error && typeof error.code === 'string' && { code: error.code }),
    ...(error.stack !== undefined && { stack_trace: error.stack }),
    ...(error.cause instanceof Error && { cause: error.cause }),
  };
}
