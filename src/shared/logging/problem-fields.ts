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

/** Codes that say of a name that it is not one of ours. */
const madeUpNames: readonly string[] = ['unknown_field', 'unknown_parameter'];

/**
 * A pointer, or the name of a parameter or header. Names that a caller made up can be personal data as values can, so
 * what is not known, and what does not look like the name of a field, is left out.
 */
function toLoggedPlace({ pointer, parameter, header, code }: ErrorDetail): string {
  const tokens = (pointer ?? parameter ?? header ?? '').split('/');
  const isLogged = (token: string, index: number): boolean =>
    !(madeUpNames.includes(code) && index === tokens.length - 1) && /^#?[\w.~-]{0,64}$/.test(token);
  return tokens.map((token, index) => (isLogged(token, index) ? token : '…')).join('/');
}
