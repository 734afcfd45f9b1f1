/** Ends a run of jest with its totals on a line of their own. */
export default class TotalsReporter {
  onRunComplete(_contexts, results) {
    // a test file that could not even be loaded has failed, although none of its tests ran
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests + results.numTodoTests;
    if (skipped > 0) process.stdout.write(`\n${skipped} skipped`);
    process.stdout.write(`\n${results.numPassedTests} passed, ${failed} failed\n`);
  }
}
