import { writeSync } from 'node:fs';

/**
 * Prints the line that CI reads, alone and last: `N passed, N failed`. A skipped test is counted as a failure: nothing
 * is skipped in silence.
 */
export default class CountReporter {
  onRunComplete(_contexts, results) {
    const skipped = results.numPendingTests + results.numTodoTests;
    const crashed = results.numRuntimeErrorTestSuites;
    const failed = results.numFailedTests + crashed + skipped;
    this.failed = failed;
    if (skipped > 0) process.stderr.write(`\n${skipped} tests were skipped: a skipped test counts as failed.\n`);
    // After jest's own summary, which the default reporter writes to standard error in this same turn.
    // Past the stream, which may be gone by then. A run that could not end (global-teardown.js) is one failure.
    process.once('exit', (code) => {
      const more = code !== 0 && failed === 0 ? 1 : 0;
      writeSync(1, `${results.numPassedTests} passed, ${failed + more} failed\n`);
    });
  }

  getLastError() {
    return this.failed > 0 ? new Error(`${this.failed} failed`) : undefined;
  }
}
