import { MIMEType } from 'node:util';
import express, { type Request, type RequestHandler, type Response } from 'express';
import { MalformedInputError } from '../errors/app-error.js';
import { nonEmptyMembers } from './header-lists.js';
import { HttpError } from './http-error.js';
import { parseJsonObject } from './json-guard.js';
import { whileArriving } from './limits/admission.js';
import { askForBody, hasBodyHeaders } from './request-body.js';
import { singleHeader } from './single-header.js';

export const maxBodyBytes = 64 * 1024;

const readBytes = express.raw({ limit: maxBodyBytes, inflate: false, type: () => true });

function bodyTooLarge(): HttpError {
  return new HttpError(
    'payload_too_large',
    'body_too_large',
    `The body is larger than ${maxBodyBytes} bytes`,
  );
}

/** What the reader of the body says went wrong, by its `type`. */
const readErrors: Readonly<Record<string, () => Error>> = {
  'entity.too.large': bodyTooLarge,
  'request.aborted': () => new MalformedInputError('incomplete_body', 'The body ended before it was whole'),
  'request.size.invalid': () =>
    new MalformedInputError('incomplete_body', 'The body has another length than it says'),
};

/** Reads the body of a route that needs one into `req.body`: a JSON object in UTF-8, at most 64 KiB. */
export const jsonBody: RequestHandler = async (req, res, next) => {
  if (!hasBodyHeaders(req))
    throw new MalformedInputError('body_required', 'This request needs a JSON object as its body');
  assertMediaType(req);
  // before the first byte of it is read
  if (Number(req.headers['content-length'] ?? 0) > maxBodyBytes) throw bodyTooLarge();
  askForBody(req, res);
  req.body = parseJsonObject(await whileArriving(req, () => readBody(req, res)));
  next();
};

/** Refuses a body where none is looked at: what is sent is never ignored. Chunks that hold no byte are none. */
export const noBody: RequestHandler = (req, res, next) => {
  if (!hasBodyHeaders(req)) {
    next();
    return;
  }
  if (req.headers['transfer-encoding'] === undefined) throw unexpectedBody();
  askForBody(req, res);
  return whileArriving(req, () => isEmpty(req)).then((hasNone) => {
    if (!hasNone) throw unexpectedBody();
    next();
  });
};

function unexpectedBody(): MalformedInputError {
  return new MalformedInputError('unexpected_body', 'This request must not have a body');
}

/** Whether the body ends without a byte; false as soon as there is one. */
function isEmpty(req: Request): Promise<boolean> {
  return new Promise((resolve, reject) => {
    req.once('data', () => {
      resolve(false);
    });
    req.once('end', () => {
      resolve(true);
    });
    req.once('close', () => {
      reject(new MalformedInputError('incomplete_body', 'The body ended before it was whole'));
    });
  });
}

function readBody(req: Request, res: Response): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    readBytes(req, res, (error?: unknown) => {
      if (error === undefined) resolve(req.body as Buffer);
      else reject(toReadError(error));
    });
  });
}

function assertMediaType(req: Request): void {
  const encodings = nonEmptyMembers(req.headers['content-encoding'] ?? '');
  if (encodings.some((encoding) => encoding.toLowerCase() !== 'identity')) {
    throw unsupportedMediaType('The body must not be compressed');
  }
  const mediaType = parseMediaType(singleHeader(req, 'Content-Type') ?? '');
  if (mediaType?.essence !== 'application/json') {
    throw unsupportedMediaType('The body must be JSON: send Content-Type: application/json');
  }
  const charset = mediaType.params.get('charset')?.toLowerCase() ?? 'utf-8';
  if (charset !== 'utf-8' && charset !== 'utf8') throw unsupportedMediaType('The body must be in UTF-8');
}

function parseMediaType(header: string): MIMEType | undefined {
  try {
    return new MIMEType(header);
  } catch {
    return undefined;
  }
}

function unsupportedMediaType(message: string): HttpError {
  return new HttpError('unsupported_media_type', 'unsupported_media_type', message);
}

function toReadError(error: unknown): Error {
  const type = typeof error === 'object' && error !== null && 'type' in error ? String(error.type) : '';
  return readErrors[type]?.() ?? new Error('The body could not be read', { cause: error });
}
