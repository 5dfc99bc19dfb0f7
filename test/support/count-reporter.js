import { appendFileSync, writeSync } from 'node:fs';

/**
 * Prints the line that CI reads, alone and last: `N passed, N failed`. A skipped test is counted as a failure: nothing
 * is skipped in silence. Where `FAILED_SUITES` names a file, it gets a line for each suite that failed: how many of its
 * tests passed, how many did not, and its path (`.ci/run` runs those once more, alone).
 */
export default class CountReporter {
  constructor() {
    // Taken out of the environment: some suites run jest themselves, on suites that are to fail.
    this.file = process.env.FAILED_SUITES;
    delete process.env.FAILED_SUITES;
  }

  onRunComplete(_contexts, results) {
    const skipped = results.numPendingTests + results.numTodoTests;
    const crashed = results.numRuntimeErrorTestSuites;
    const failed = results.numFailedTests + crashed + skipped;
    this.failed = failed;
    this.name(results.testResults);
    if (skipped > 0) process.stderr.write(`\n${skipped} tests were skipped: a skipped test counts as failed.\n`);
    // After jest's own summary, which the default reporter writes to standard error in this same turn.
    // Past the stream, which may be gone by then. A run that could not end (global-teardown.js) is one failure.
    process.once('exit', (code) => {
      const more = code !== 0 && failed === 0 ? 1 : 0;
      writeSync(1, `${results.numPassedTests} passed, ${failed + more} failed\n`);
    });
  }

  name(suites) {
    if (!this.file) return;
    for (const suite of suites) {
      const failed = suite.numFailingTests + suite.numPendingTests + suite.numTodoTests + (suite.testExecError ? 1 : 0);
      if (failed > 0) appendFileSync(this.file, `${suite.numPassingTests} ${failed} ${suite.testFilePath}\n`);
    }
  }

  getLastError() {
    return this.failed > 0 ? new Error(`${this.failed} failed`) : undefined;
  }
}
