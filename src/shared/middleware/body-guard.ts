import { MIMEType } from 'node:util';
import type { Request, RequestHandler } from 'express';
import { MalformedInputError } from '../errors/app-error.js';
import { type BodyFault, readBodyBytes } from './body-bytes.js';
import { nonEmptyMembers } from './header-lists.js';
import { HttpError } from './http-error.js';
import { parseJsonObject } from './json-guard.js';
import { whileArriving } from './limits/admission.js';
import { askForBody, hasBodyHeaders } from './request-body.js';
import { singleHeader } from './single-header.js';

export const maxBodyBytes = 64 * 1024;

/** The longest name of a media type with its parameters that is looked at: it takes time by the square of its length. */
const maxMediaTypeLength = 255;

function bodyTooLarge(): HttpError {
  return new HttpError(
    'payload_too_large',
    'body_too_large',
    `The body is larger than ${maxBodyBytes} bytes`,
  );
}

function incompleteBody(): MalformedInputError {
  return new MalformedInputError('incomplete_body', 'The body ended before it was whole');
}

const readErrors: Readonly<Record<BodyFault, () => Error>> = {
  too_large: bodyTooLarge,
  incomplete: incompleteBody,
};

/** Reads the body of a route that needs one into `req.body`: a JSON object in UTF-8, at most 64 KiB. */
export const jsonBody: RequestHandler = async (req, res, next) => {
  if (!hasBodyHeaders(req))
    throw new MalformedInputError('body_required', 'This request needs a JSON object as its body');
  assertMediaType(req);
  // before the first byte of it is read
  if (Number(req.headers['content-length'] ?? 0) > maxBodyBytes) throw bodyTooLarge();
  askForBody(req, res);
  req.body = parseJsonObject(await whileArriving(req, () => readBody(req)));
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
  return whileArriving(req, () => readBodyBytes(req, 0)).then((read) => {
    if (read === 'too_large') throw unexpectedBody();
    if (read === 'incomplete') throw incompleteBody();
    next();
  });
};

function unexpectedBody(): MalformedInputError {
  return new MalformedInputError('unexpected_body', 'This request must not have a body');
}

async function readBody(req: Request): Promise<Buffer> {
  const read = await readBodyBytes(req, maxBodyBytes);
  if (typeof read === 'string') throw readErrors[read]();
  return read;
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
  if (header.length > maxMediaTypeLength) return undefined;
  try {
    return new MIMEType(header);
  } catch {
    return undefined;
  }
}

function unsupportedMediaType(message: string): HttpError {
  return new HttpError('unsupported_media_type', 'unsupported_media_type', message);
}
