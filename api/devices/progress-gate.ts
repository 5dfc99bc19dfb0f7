/** As the bridge has it (docs/contracts/device-mqtt.md, "Topics"): progress is no history. */
const EVERY_MS = 2_000;
const MOST_KNOWN = 20_000;

/**
 * Which progress is worth a write: of each installation and phase the first, then one in two seconds, and the last
 * byte. The rest may be lost.
 */
export class ProgressGate {
  /** performance.now() */
  private readonly takenAt = new Map<string, number>();

  /** @param key of the device, installation and phase */
  takes(key: string, { bytes, total }: { readonly bytes: number; readonly total: number }): boolean {
    const now = performance.now();
    if (bytes !== total && now - (this.takenAt.get(key) ?? -Infinity) < EVERY_MS) return false;
    if (this.takenAt.size >= MOST_KNOWN) this.takenAt.clear();
    this.takenAt.set(key, now);
    return true;
  }
}
