/** What this process waits for at the moment, the latest last. */
const waits = new Set<{ readonly what: string }>();

/**
 * Runs `work`, and says meanwhile what the process waits for.
 * @param what as the end of the sentence "it waited for …", without credentials
 */
export async function awaiting<T>(what: string, work: () => Promise<T>): Promise<T> {
  const wait = { what };
  waits.add(wait);
  try {
    return await work();
  } finally {
    waits.delete(wait);
  }
}

/** The wait that began last; undefined if none is named. */
export function awaited(): string | undefined {
  return [...waits].at(-1)?.what;
}
