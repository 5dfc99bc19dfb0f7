/**
 * Follows the packets of an MQTT byte stream by their fixed headers (MQTT 3.1.1 §2.2), so that a receiver can refuse
 * one that is too large when its length is announced. mqtt-packet's parser has no limit: it buffers whatever is on its
 * way, 256 MB included.
 */
export class Frames {
  private reading: 'type' | 'length' | 'body' = 'type';
  private length = 0;
  private shift = 0;
  private remaining = 0;
  private packets = 0;

  /**
   * @param maxPacketSize bytes after the fixed header.
   * @param mayBegin is asked about the type (MQTT 3.1.1 §2.2.1) of each packet, counted from 0; it answers what is
   * wrong, or undefined.
   */
  constructor(
    private readonly maxPacketSize: number,
    private readonly mayBegin: (type: number, index: number) => string | undefined = () => undefined,
  ) {}

  /**
   * Takes the next bytes. @returns what is wrong with them; undefined = nothing. After a fault the stream is of no use.
   */
  accept(chunk: Uint8Array): string | undefined {
    let at = 0;
    while (at < chunk.length) {
      if (this.reading === 'body') {
        const skipped = Math.min(this.remaining, chunk.length - at);
        this.remaining -= skipped;
        at += skipped;
        if (this.remaining === 0) this.reading = 'type';
        continue;
      }
      const byte = chunk[at] ?? 0;
      at += 1;
      const fault = this.reading === 'type' ? this.begin(byte) : this.measure(byte);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  private begin(byte: number): string | undefined {
    this.reading = 'length';
    this.length = 0;
    this.shift = 0;
    return this.mayBegin(byte >> 4, this.packets++);
  }

  /**
   * One byte of the remaining length: seven bits, the lowest first, the eighth says that another follows; at most four.
   */
  private measure(byte: number): string | undefined {
    this.length |= (byte & 0x7f) << this.shift;
    this.shift += 7;
    const more = (byte & 0x80) !== 0;
    if (this.length > this.maxPacketSize) return `a packet is over the limit of ${this.maxPacketSize} bytes`;
    if (more) return this.shift < 28 ? undefined : 'the length of a packet is malformed';
    this.remaining = this.length;
    this.reading = this.length === 0 ? 'type' : 'body';
    return undefined;
  }
}
