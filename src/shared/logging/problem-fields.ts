import type { ErrorDetail } from '../errors/app-error.js';

/** Places that are logged of what is wrong with a request. */
const maxLoggedPlaces = 20;

/** What the log says of a refusal: its code, and where something was wrong; what was sent there never. */
export function problemFields({
  code,
  details,
}: {
  readonly code: string;
  readonly details?: readonly ErrorDetail[] | undefined;
}): Readonly<Record<string, unknown>> {
  return {
    'error.code': code,
    ...(details && { 'error.pointers': details.slice(0, maxLoggedPlaces).map(toLoggedPlace) }),
  };
}

const madeUp = '…';
/** Their last name is none of ours. */
const unknownCodes: readonly string[] = ['unknown_field', 'unknown_parameter'];

/**
 * A pointer, or the name of a parameter or header. Names that a caller made up can be personal data as values can: what is not
 * known, or does not look like the name of a field, is left out.
 */
function toLoggedPlace({ pointer, parameter, header, code }: ErrorDetail): string {
  const names = (pointer ?? parameter ?? header ?? '').split('/');
  if (unknownCodes.includes(code)) names.splice(-1, 1, madeUp);
  return names.map((name) => (/^#?[\w.~-]{0,64}$/.test(name) ? name : madeUp)).join('/');
}
