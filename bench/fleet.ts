import { Child } from './child.js';
import type { FromFleet, Login, ToFleet } from './messages.js';
import type { Context } from './part.js';
import type { Stage } from './stage.js';
import { now } from './wait.js';

/** With a broker on two busy cores some hundred devices connect in a second. */
const CONNECT_MS = 180_000;

/**
 * Simulated devices in one child process. Each connects once and says hello; from then on it does what it is told by
 * documents.
 */
export class Fleet {
  /** When the newest document of a device arrived, epoch milliseconds. */
  readonly documentAt = new Map<string, number>();
  readonly faults: string[] = [];
  private readonly child: Child<ToFleet, FromFleet>;
  private connected = 0;
  private round = 0;
  private readonly waiting = new Map<string, (at: number) => void>();

  constructor(context: Context) {
    this.child = new Child(context, new URL('./devices.js', import.meta.url));
    this.child.listen((message) => {
      if (message.said === 'fault') this.faults.push(message.detail);
      if (message.said === 'documents') for (const [deviceId, at] of message.arrived) this.take(deviceId, at);
    });
  }

  /** Resolves when each has the receipt for its hello. More may be connected later. */
  async connect(stage: Stage, devices: readonly Login[], answer: 'install' | 'ignore'): Promise<void> {
    this.child.say({ do: 'connect', url: stage.service.endpoints.mqtt, devices, answer });
    this.connected += devices.length;
    await this.child.hear(`${this.connected} devices are connected and greeted`, CONNECT_MS, (message) =>
      message.said === 'greeted' && message.count >= this.connected ? true : undefined,
    );
  }

  /**
   * Asked for while all are connected and quiet, before something cuts them off. Resolves when each has been greeted
   * again: with the time, epoch milliseconds, at which half of them were, and all. @throws after `ms`, with how many.
   */
  async greetedAnew(ms: number): Promise<{ readonly half: number; readonly all: number }> {
    const round = (this.round += 1);
    this.child.say({ do: 'count anew', round });
    let half: number | undefined;
    let last = 0;
    try {
      await this.child.hear(`${this.connected} devices are greeted again`, ms, (message) => {
        if (message.said !== 'greeted' || message.round !== round) return undefined;
        last = message.count;
        if (last * 2 >= this.connected) half ??= now();
        return last >= this.connected ? true : undefined;
      });
    } catch (error) {
      throw new Error(`${(error as Error).message}; ${last} were`, { cause: error });
    }
    return { half: half ?? now(), all: now() };
  }

  /** When the next document of this device arrives; asked for before it is requested. @throws after `ms`. */
  nextDocument(deviceId: string, ms: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`device ${deviceId} had no document within ${ms / 1_000} s`)),
        ms,
      );
      this.waiting.set(deviceId, (at) => {
        clearTimeout(timer);
        resolve(at);
      });
    });
  }

  private take(deviceId: string, at: number): void {
    this.documentAt.set(deviceId, at);
    this.waiting.get(deviceId)?.(at);
    this.waiting.delete(deviceId);
  }
}
