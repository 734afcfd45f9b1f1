import type { OpenFailure } from './journal-protocol.js';

/** The journal cannot be opened; what it may hold is left untouched for an operator to look at. */
export class JournalOpenError extends Error {
  readonly code: OpenFailure;

  constructor(code: OpenFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'JournalOpenError';
    this.code = code;
  }
}
