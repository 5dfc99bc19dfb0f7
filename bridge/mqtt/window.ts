/** What waits for an answer of the broker that bears its packet identifier. */
interface Waiting<T> {
  resolve(value: T): void;
  reject(error: Error): void;
  /** Epoch-free milliseconds (performance.now) when it was sent. */
  sentAt: number;
}

interface Queued<T> extends Omit<Waiting<T>, 'sentAt'> {
  send(id: number): void;
}

/**
 * Packets that are sent with an identifier and answered with it: at most `inFlight` at a time, the others queue in
 * order. A broker may drop what exceeds its own window (mosquitto: 20 by default, 1,000 as Slipway configures it), so
 * ours is bounded too.
 */
export class Window<T> {
  private readonly waiting = new Map<number, Waiting<T>>();
  private queue: Queued<T>[] = [];
  private lastId = 0;
  private stalled = false;

  constructor(private readonly limits: { readonly inFlight: number; readonly queued: number }) {}

  /** Sends now or when there is room. @returns the answer; rejects when the queue is full or the connection closes. */
  request(send: (id: number) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.queue.length >= this.limits.queued) {
        reject(new Error(`the broker does not keep up: ${this.queue.length} messages wait to be sent`));
        return;
      }
      this.queue.push({ send, resolve, reject });
      this.fill();
    });
  }

  /** @returns whether anything waited for this. */
  answer(id: number, value: T): boolean {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    waiting?.resolve(value);
    this.fill();
    return waiting !== undefined;
  }

  /** The socket takes no more for now, or takes more again. */
  stall(stalled: boolean): void {
    this.stalled = stalled;
    this.fill();
  }

  /** Milliseconds for which the oldest has waited for its answer; 0 = nothing waits. */
  oldest(): number {
    const [first] = this.waiting.values();
    return first ? performance.now() - first.sentAt : 0;
  }

  close(error: Error): void {
    const all = [...this.waiting.values(), ...this.queue];
    this.waiting.clear();
    this.queue = [];
    for (const one of all) one.reject(error);
  }

  private fill(): void {
    let sent = 0;
    while (!this.stalled && this.waiting.size < this.limits.inFlight) {
      const next = this.queue[sent];
      if (!next) break;
      sent += 1;
      const id = this.freeId();
      this.waiting.set(id, { resolve: next.resolve, reject: next.reject, sentAt: performance.now() });
      next.send(id);
    }
    if (sent > 0) this.queue.splice(0, sent);
  }

  /** 1 to 65,535 in turn; far more than may be in flight, so one is always free. */
  private freeId(): number {
    do this.lastId = (this.lastId % 65_535) + 1;
    while (this.waiting.has(this.lastId));
    return this.lastId;
  }
}
