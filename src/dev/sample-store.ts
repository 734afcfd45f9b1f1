/** Body of the store that the printed commands create. */
export function sampleStore(code: string) {
  return {
    code,
    name: 'Berlin Mitte',
    format: 'STANDARD',
    region: 'eu-central',
    address: { line1: 'Friedrichstr. 1', city: 'Berlin', postalCode: '10117', country: 'DE' },
    timezone: 'Europe/Berlin',
    currency: 'EUR',
  };
}

const PAGE_LIMIT = 200;

/** A code that no store has yet, so that the printed commands work after any number of starts. */
export async function findFreeCode(url: string, viewerKey: string): Promise<string> {
  const query = new URLSearchParams({
    q: 'BER-0',
    status: 'PROVISIONING,ACTIVE,DECOMMISSIONED',
    sort: 'code',
    limit: String(PAGE_LIMIT),
  });
  const response = await fetch(`${url}/api/stores?${query.toString()}`, {
    headers: { Authorization: `Bearer ${viewerKey}` },
  });
  if (!response.ok) throw new Error(`The API does not list stores: ${await response.text()}`);
  const { items } = (await response.json()) as { items: { code: string }[] };
  const taken = new Set(items.map(({ code }) => code));
  for (let number = 1; number <= PAGE_LIMIT; number += 1) {
    const code = `BER-${String(number).padStart(4, '0')}`;
    if (!taken.has(code)) return code;
  }
  return `BER-${Date.now().toString(36).toUpperCase()}`;
}
