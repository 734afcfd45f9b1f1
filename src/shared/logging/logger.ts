import { Writable } from 'node:stream';
import winston from 'winston';
import { redact } from './redaction.js';
import { currentRequestContext } from './request-context.js';

export type Logger = winston.Logger;
export const logLevels = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Where the JSON lines go; stdout unless told. */
  readonly stream?: NodeJS.WritableStream;
  readonly silent?: boolean;
}

/**
 * A logger that writes one JSON object a line, with field names of the Elastic Common Schema. Every line of a
 * request carries its id and trace id; sensitive fields are redacted whoever logs them.
 */
export function createLogger(options: LoggerOptions): Logger {
  return winston.createLogger({
    level: options.level,
    silent: options.silent ?? false,
    format: winston.format.printf(toLine),
    transports: [new winston.transports.Stream({ stream: options.stream ?? gatheredStdout() })],
  });
}

let stdout: Writable | undefined;

/**
 * Standard output, with the lines of one turn of the event loop in one write: a pipe is written to synchronously, and under
 * load that would cost more than all else that is done for a request. What is left goes out when the process ends.
 */
function gatheredStdout(): Writable {
  if (stdout) return stdout;
  let lines: string[] = [];
  const flush = (): void => {
    if (lines.length > 0) process.stdout.write(lines.join(''));
    lines = [];
  };
  process.once('exit', flush);
  stdout = new Writable({
    decodeStrings: false,
    write: (line: string, _encoding, done) => {
      if (lines.push(line) === 1) setImmediate(flush);
      done();
    },
  });
  return stdout;
}

function toLine({ level, message, ...fields }: winston.Logform.TransformableInfo): string {
  const context = currentRequestContext();
  return JSON.stringify({
    '@timestamp': new Date().toISOString(),
    'log.level': level,
    message: redact(message),
    'service.name': 'store-provisioning-platform',
    ...(context && { 'http.request.id': context.requestId, 'trace.id': context.traceId }),
    ...(context?.principalId !== undefined && { 'user.id': context.principalId }),
    ...(redact(fields) as object),
  });
}
