import { AppError, type ErrorOptions, MalformedInputError } from '../errors/app-error.js';
import type { ProblemKind } from './problem-catalogue.js';

/** An error that only HTTP knows, with the response headers that belong to it. */
export class HttpError extends AppError {
  readonly problemKind: ProblemKind;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    problemKind: ProblemKind,
    code: string,
    message: string,
    options: ErrorOptions & { headers?: Readonly<Record<string, string>> } = {},
  ) {
    super('malformed_input', code, message, options);
    this.problemKind = problemKind;
    this.headers = options.headers ?? {};
  }
}

export function methodNotAllowed(allowed: readonly string[]): HttpError {
  const allow = allowed.join(', ');
  return new HttpError('method_not_allowed', 'method_not_allowed', `This route knows ${allow}`, {
    headers: { Allow: allow },
  });
}

/** A request header does not have the form it must have. */
export function invalidHeader(header: string, detail: string, code = 'format'): MalformedInputError {
  return new MalformedInputError('invalid_header', detail, { details: [{ header, code, detail }] });
}
