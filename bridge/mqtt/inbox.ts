/**
 * A message that arrived. QoS 1: it is the broker's until `acknowledge` was called, and comes again in the next
 * connection if it never was.
 */
export interface MqttMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1;
  readonly retain: boolean;
  readonly dup: boolean;
  /**
   * At any time, in any order, repeatedly; does nothing once the connection has closed. PUBACKs leave in the order of
   * arrival.
   */
  acknowledge(): void;
  /**
   * Its PUBACK may take long, and holds back no other any more: those behind it leave before. MQTT 3.1.1 §4.6 has
   * PUBACKs in the order of arrival; but a broker finds them by their identifier, and what would wait is every other
   * device's.
   */
  passOver(): void;
}

/** A message with the number that its acknowledgement names. */
export type Arrived = Omit<MqttMessage, 'acknowledge' | 'passOver'> & { readonly messageId: number };

/**
 * Holds what has arrived and is not acknowledged. MQTT 3.1.1 §4.6 wants PUBACKs in the order of arrival, while batches
 * of different devices commit in any order: so an acknowledgement waits here for those before it. Reading stops above
 * `high` and goes on below `low`, so that a burst waits in the broker and not in this process's memory.
 */
export class Inbox {
  private readonly unacknowledged: { readonly messageId: number; acknowledged: boolean }[] = [];
  private passedOver = 0;
  private handler: ((message: MqttMessage) => void) | undefined;
  /** Before anyone listens: a broker resends a stored session's messages at once, some even before CONNACK. */
  private early: Arrived[] = [];
  private flushing = false;

  constructor(
    private readonly limits: { readonly high: number; readonly low: number },
    private readonly wire: { acknowledge(messageIds: readonly number[]): void; pause(): void; resume(): void },
  ) {}

  get size(): number {
    return this.unacknowledged.length + this.passedOver + this.early.length;
  }

  listen(handler: (message: MqttMessage) => void): void {
    this.handler = handler;
    const early = this.early;
    this.early = [];
    for (const message of early) this.hand(message, handler);
  }

  arrive(message: Arrived): void {
    if (this.handler) this.hand(message, this.handler);
    else this.early.push(message);
    if (this.size >= this.limits.high) this.wire.pause();
  }

  private hand({ messageId, ...message }: Arrived, handler: (message: MqttMessage) => void): void {
    if (message.qos === 0) {
      handler({ ...message, acknowledge: () => undefined, passOver: () => undefined });
      return;
    }
    const entry = { messageId, acknowledged: false };
    let isPassedOver = false;
    this.unacknowledged.push(entry);
    const acknowledge = () => {
      if (entry.acknowledged) return;
      entry.acknowledged = true;
      if (isPassedOver) {
        this.passedOver -= 1;
        this.wire.acknowledge([messageId]);
        this.resumeBelowLow();
      } else if (this.unacknowledged[0] === entry) this.flushSoon();
    };
    const passOver = () => {
      if (entry.acknowledged || isPassedOver) return;
      isPassedOver = true;
      this.passedOver += 1;
      this.unacknowledged.splice(this.unacknowledged.indexOf(entry), 1);
      this.flushSoon();
    };
    handler({ ...message, acknowledge, passOver });
  }

  /** Once all acknowledgements of a batch are made: PUBACKs of a batch are one write, and not one for each message. */
  private flushSoon(): void {
    if (this.flushing) return;
    this.flushing = true;
    queueMicrotask(() => this.flush());
  }

  /** What was acknowledged leaves now: before a goodbye there is no later. */
  flush(): void {
    this.flushing = false;
    if (this.unacknowledged[0]?.acknowledged !== true) return;
    const open = this.unacknowledged.findIndex((entry) => !entry.acknowledged);
    const done = this.unacknowledged.splice(0, open === -1 ? this.unacknowledged.length : open);
    this.wire.acknowledge(done.map((entry) => entry.messageId));
    this.resumeBelowLow();
  }

  private resumeBelowLow(): void {
    if (this.size <= this.limits.low) this.wire.resume();
  }
}
