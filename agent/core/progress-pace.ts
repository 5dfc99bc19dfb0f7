/**
 * A step of 5 %, or 2 s with something new, whichever is first (docs/contracts/device-mqtt.md, "Topics"); never two
 * within 200 ms.
 */
const STEP = 0.05;
const SLOW_MS = 2_000;
const LEAST_MS = 200;

/** Decides which progress is reported; one for each installation. */
export class ProgressPace {
  private phase = '';
  private bytes = 0;
  private at = -Infinity;

  /** @param now by the monotonic clock, milliseconds */
  isDue(phase: string, bytes: number, total: number, now: number): boolean {
    // Another phase begins its count anew, and says so at once.
    if (phase !== this.phase) Object.assign(this, { phase, bytes: 0, at: -Infinity });
    const waited = now - this.at;
    const isStep = bytes - this.bytes >= total * STEP || bytes < this.bytes;
    if (bytes === this.bytes || waited < LEAST_MS || (!isStep && waited < SLOW_MS)) return false;
    this.bytes = bytes;
    this.at = now;
    return true;
  }
}
