/** Messages that wait inside of aedes to be delivered. Measured: above it delivery collapses (324 instead of 14,377 a second), because it goes on reading. */
const MAX_WAITING = 500;
const LOOK_EVERY_MS = 2;

/**
 * aedes acknowledges and reads on, however far its delivery is behind. Publishers wait here while the queue is long: their
 * sockets are not read meanwhile, so that the pressure reaches who makes it. First come, first served, or messages of one device would overtake each other.
 */
export class Hold {
  private waiters: (() => void)[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly queued: () => number) {}

  pass(go: () => void): void {
    if (this.waiters.length === 0 && this.queued() <= MAX_WAITING) return go();
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
    for (; passed < this.waiters.length && this.queued() <= MAX_WAITING; passed += 1) this.waiters[passed]?.();
    this.waiters.splice(0, passed);
    if (this.waiters.length > 0) this.timer ??= setTimeout(() => this.look(), LOOK_EVERY_MS);
  }
}
