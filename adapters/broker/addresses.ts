import type { Socket } from 'node:net';

/** Counts connections by the address that they come from, up to a limit for each. */
export class Addresses {
  private readonly counts = new Map<string, number>();

  constructor(private readonly most: number) {}

  /**
   * Counts this connection until it has closed, or until the function that is answered is called. @returns undefined
   * where as many came from its address already: it is not counted then.
   */
  take(socket: Socket): (() => void) | undefined {
    const key = addressKey(socket.remoteAddress);
    const count = this.counts.get(key) ?? 0;
    if (count >= this.most) return undefined;
    this.counts.set(key, count + 1);
    let isCounted = true;
    const give = () => {
      if (!isCounted) return;
      isCounted = false;
      const left = (this.counts.get(key) ?? 1) - 1;
      if (left > 0) this.counts.set(key, left);
      else this.counts.delete(key);
    };
    socket.once('close', give);
    return give;
  }
}

/** An IPv4 address; of IPv6 the first 64 bits: who has one address there has all below it (RFC 6177). */
export function addressKey(address: string | undefined): string {
  const plain = (address ?? '').replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '');
  if (!plain.includes(':')) return plain;
  const [head = '', tail] = plain.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const between = tail === undefined ? [] : Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0');
  return [...before, ...between, ...after].slice(0, 4).join(':');
}
