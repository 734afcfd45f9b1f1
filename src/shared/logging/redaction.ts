/** Field names whose values never reach a log line, whatever object they sit in. */
const sensitiveName =
  /^(authorization|cookie|set-cookie|password|passphrase|secret|token|api[-_]?key|client[-_]?token|contact|email|phone|plaintext|private[-_]?key)$/i;

/** Credentials that could sit inside a text: our API keys, bearer headers, passwords in connection strings. */
const sensitiveText: readonly (readonly [RegExp, string])[] = [
  [/spk_([A-Za-z0-9-]+)_[A-Za-z0-9_-]+/g, 'spk_$1_[redacted]'],
  [/\bBearer\s+[^\s"',]+/gi, 'Bearer [redacted]'],
  [/(\w+:\/\/[^\s:/@]*):[^\s@/]+@/g, '$1:[redacted]@'],
];

const maxDepth = 6;

/** A copy of `value` that is safe to log: sensitive fields are replaced, credentials inside texts are masked. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= maxDepth) return '[nested]';
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Error) return redact(describeError(value), depth + 1);
  if (Array.isArray(value)) return value.map((item) => redact(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      sensitiveName.test(name) ? '[redacted]' : redact(item, depth + 1),
    ]),
  );
}

export function redactText(text: string): string {
  return sensitiveText.reduce((result, [pattern, mask]) => result.replace(pattern, mask), text);
}

/** Name, code, message and stack of an error and of its causes; other properties may carry payloads. */
function describeError(error: Error): Record<string, unknown> {
  return {
    type: error.name,
    message: error.message,
    ...('code' in error && typeof error.code === 'string' && { code: error.code }),
    ...(error.stack !== undefined && { stack_trace: error.stack }),
    ...(error.cause instanceof Error && { cause: describeError(error.cause) }),
  };
}
