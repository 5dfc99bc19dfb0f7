import { Readable } from 'node:stream';

/**
 * A message on its way to a stored session, as far as it is looked at here. `brokerCounter` is the broker's own number
 * of it.
 */
interface Packet {
  readonly brokerCounter?: number;
  messageId?: number | undefined;
}
interface Owner {
  readonly id: string;
}

/** What aedes' persistence does with what stored sessions have not acknowledged, as far as it is replaced here. */
export interface OutgoingStore {
  outgoingEnqueue(to: { clientId: string }, packet: Packet): Promise<void>;
  outgoingEnqueueCombi(to: readonly { clientId: string }[], packet: Packet): Promise<void>;
  outgoingUpdate(client: Owner, packet: Packet): Promise<void>;
  outgoingClearMessageId(client: Owner, packet: Packet): Promise<Packet | undefined>;
  outgoingStream(client: Owner): Readable;
}

/**
 * One session's messages in the order of their arrival, and by the packet identifier under which each was sent last.
 */
interface Queue {
  readonly byCounter: Map<number, Packet>;
  readonly byMessageId: Map<number, Packet>;
}

/**
 * Messages that a stored session has not acknowledged. aedes' own store looks through the whole queue of a client for
 * every message that it writes to it: with 20,000 waiting for the bridge, 20,000 steps for each. Here a message is
 * found by its number. A message that matches two filters of one client stands here once, as it is sent once.
 */
export class OutgoingQueues implements OutgoingStore {
  private readonly queues = new Map<string, Queue>();
  private count = 0;

  /** Of all sessions together. */
  get length(): number {
    return this.count;
  }

  /** The methods alone, to be put in place of those of aedes' persistence. */
  methods(): OutgoingStore {
    return {
      outgoingEnqueue: (to, packet) => this.outgoingEnqueue(to, packet),
      outgoingEnqueueCombi: (to, packet) => this.outgoingEnqueueCombi(to, packet),
      outgoingUpdate: (client, packet) => this.outgoingUpdate(client, packet),
      outgoingClearMessageId: (client, packet) => this.outgoingClearMessageId(client, packet),
      outgoingStream: (client) => this.outgoingStream(client),
    };
  }

  async outgoingEnqueue({ clientId }: { clientId: string }, packet: Packet): Promise<void> {
    let queue = this.queues.get(clientId);
    if (!queue) this.queues.set(clientId, (queue = { byCounter: new Map(), byMessageId: new Map() }));
    const before = queue.byCounter.size;
    queue.byCounter.set(packet.brokerCounter ?? 0, { ...packet, messageId: undefined });
    this.count += queue.byCounter.size - before;
  }

  async outgoingEnqueueCombi(to: readonly { clientId: string }[], packet: Packet): Promise<void> {
    for (const one of to) await this.outgoingEnqueue(one, packet);
  }

  /**
   * It is being sent under this packet identifier. @throws where it is not in the queue any more: aedes then ends the
   * connection.
   */
  async outgoingUpdate(client: Owner, packet: Packet): Promise<void> {
    const queue = this.queues.get(client.id);
    const held = queue?.byCounter.get(packet.brokerCounter ?? 0);
    if (!queue || !held || packet.messageId === undefined) throw new Error('no such packet');
    if (held.messageId !== undefined) queue.byMessageId.delete(held.messageId);
    held.messageId = packet.messageId;
    queue.byMessageId.set(packet.messageId, held);
  }

  /** Acknowledged. @returns undefined for what was never stored: a retained message that a subscription brought. */
  async outgoingClearMessageId(client: Owner, { messageId }: Packet): Promise<Packet | undefined> {
    const queue = this.queues.get(client.id);
    const held = messageId === undefined ? undefined : queue?.byMessageId.get(messageId);
    if (!queue || !held) return undefined;
    if (held.messageId !== undefined) queue.byMessageId.delete(held.messageId);
    if (queue.byCounter.delete(held.brokerCounter ?? 0)) this.count -= 1;
    if (queue.byCounter.size === 0) this.queues.delete(client.id);
    return held;
  }

  /** All of them as they are now, for a session that is taken up again. */
  outgoingStream(client: Owner): Readable {
    return Readable.from([...(this.queues.get(client.id)?.byCounter.values() ?? [])]);
  }
}
