/** Personal data that must be seen nowhere but in answers to those who may see it. */
export interface PersonalData {
  readonly name: string;
  readonly email: string;
  readonly phone: string;
}

/** The body of a write: as small as may be, with the marker as name and, for every tenth store, a contact. */
export function bodyOf(
  kind: 'create' | 'replace',
  code: string,
  marker: string,
  personal: PersonalData,
): object {
  return {
    ...(kind === 'create' && { code }),
    name: marker,
    format: 'STANDARD',
    region: 'eu-central',
    address: { line1: 'Friedrichstr. 1', city: 'Berlin', postalCode: '10117', country: 'DE' },
    timezone: 'Europe/Berlin',
    currency: 'EUR',
    ...(code.endsWith('7') && { contact: personal }),
  };
}
