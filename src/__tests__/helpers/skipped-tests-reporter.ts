/** The part of what jest tells a reporter that is used here. */
interface RunResults {
  readonly testResults: readonly {
    readonly testResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** Says at the end which tests were skipped: jest itself gives only their number. Their names say why. */
export default class SkippedTestsReporter {
  readonly #output: Pick<NodeJS.WritableStream, 'write'>;

  constructor(_config: unknown, _options: unknown, _context: unknown, output = process.stderr) {
    this.#output = output;
  }

  onRunComplete(_contexts: unknown, { testResults }: RunResults): void {
    const skipped = testResults
      .flatMap((file) => file.testResults)
      .filter(({ status }) => status === 'pending')
      .map(({ fullName }) => `  ○ ${fullName}\n`);
    if (skipped.length > 0) this.#output.write(`\nSkipped tests:\n${skipped.join('')}`);
  }
}
