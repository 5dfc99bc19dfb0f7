/** What is looked at and replaced of aedes' emitter, mqemitter 7.1.0. */
export interface Emitter {
  /** Messages that are being delivered now. */
  current: number;
  _doing: boolean;
  _do(message: unknown, delivered: unknown): unknown;
}

/**
 * Lets the emitter begin with one message after the other. By itself, a message that no subscriber waits for is
 * delivered at once, and its release begins the next one on top of it: some 1,500 of those in the queue overflow the
 * stack, which ends the broker. Each CONNECT puts one there (`$SYS/…/new/clients`), and each end of a connection.
 *
 * The order is that of the queue; what waits for its turn counts as being delivered, or others would overtake it.
 */
export function releaseByTurns(emitter: Emitter): void {
  const begin = emitter._do.bind(emitter);
  const waiting: [message: unknown, delivered: unknown][] = [];
  let isRunning = false;
  emitter._do = (message, delivered) => {
    emitter.current += 1;
    emitter._doing = true;
    waiting.push([message, delivered]);
    if (isRunning) return emitter;
    isRunning = true;
    let begun = 0;
    try {
      // It grows meanwhile: what is released by one of these waits behind the others.
      for (const [next, then] of waiting) {
        begun += 1;
        emitter.current -= 1;
        begin(next, then);
      }
    } finally {
      isRunning = false;
      waiting.splice(0, begun);
    }
    return emitter;
  };
}
