/**
 * Messages that wait inside of aedes to be delivered. Measured: above it delivery collapses (324 instead of 14,377 a
 * second), because it goes on reading.
 */
export const MAX_DELIVERING = 500;
/**
 * Messages that stored sessions have not acknowledged, which means the bridge: a minute of a busy fleet while no bridge
 * leads, in some 20 MB.
 */
export const MAX_UNACKNOWLEDGED = 20_000;
const LOOK_EVERY_MS = 2;

/**
 * aedes acknowledges and reads on, however far its delivery is behind. Publishers wait here while it is full: their
 * sockets are not read meanwhile, so that the pressure reaches who makes it. First come, first served, or messages of
 * one device would overtake each other.
 */
export class BackpressureGate {
  private waiters: (() => void)[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly isFull: () => boolean) {}

  pass(go: () => void): void {
    if (this.waiters.length === 0 && !this.isFull()) return go();
    this.waiters.push(go);
    this.timer ??= setTimeout(() => this.look(), LOOK_EVERY_MS);
  }

  close(): void {
    clearTimeout(this.timer);
    this.waiters = [];
  }

  private look(): void {
    this.timer = undefined;
    let passed = 0;
    for (; passed < this.waiters.length && !this.isFull(); passed += 1) this.waiters[passed]?.();
    this.waiters.splice(0, passed);
    if (this.waiters.length > 0) this.timer ??= setTimeout(() => this.look(), LOOK_EVERY_MS);
  }
}
