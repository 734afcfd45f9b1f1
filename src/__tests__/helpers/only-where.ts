import { describe, it } from '@jest/globals';

type Declare = (name: string, body: () => unknown, timeoutMs?: number) => void;

/**
 * Declares tests that need something of the machine. Where it is missing they are shown as skipped, and their names say
 * why: `SkippedTestsReporter` prints them.
 * @param reason completes "skipped: …"
 */
export function onlyWhere(
  isMet: boolean,
  reason: string,
): { readonly it: Declare; readonly describe: Declare } {
  const explain = (name: string): string => `${name} (skipped: ${reason})`;
  return {
    it: (name, body, timeoutMs) => {
      const run = async (): Promise<void> => {
        await body();
      };
      if (isMet) it(name, run, timeoutMs);
      else it.skip(explain(name), run, timeoutMs);
    },
    describe: (name, body) => {
      const declare = (): void => {
        body();
      };
      if (isMet) describe(name, declare);
      else describe.skip(explain(name), declare);
    },
  };
}
