/** Ends a run of jest with its totals on a line of their own. */
export default class TotalsReporter {
  onRunComplete(_contexts, results) {
    // a test file that could not even be loaded has failed, although none of its tests ran
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests + results.numTodoTests;
    const suffix = skipped > 0 ? `, ${skipped} skipped` : '';
    process.stdout.write(`\n${results.numPassedTests} passed, ${failed} failed${suffix}\n`);
  }
}
