import { asTheyCome } from './as-they-come.js';
import { greetings, type ChildEntry, type HelloMessage, type Self } from './hello-message.js';
import type { Reporter } from './reporter.js';
import type { AgentState } from './state.js';

/** What a hello is made from, asked anew for each one (docs/contracts/device-mqtt.md, "Payloads"). */
export interface GreeterOptions {
  readonly self: () => Self;
  readonly state: () => AgentState;
  /** Of a gateway: its children, each asked at once. */
  readonly children: () => readonly Promise<ChildEntry>[];
  /** How long the hello waits for them, milliseconds. */
  readonly patience: number;
  readonly voice: Reporter;
  /** Whether it can be said now. */
  readonly isConnected: () => boolean;
  readonly note: (phase: string, detail: string) => void;
}

/**
 * Says hello after each connect, and when it is asked for. A gateway's hello does not wait for a child that does not
 * answer: what comes later is told in a further hello.
 */
export class Greeter {
  /** Counts them: only the newest goes on. */
  private greeting = 0;

  constructor(private readonly deps: GreeterOptions) {}

  async greet(isHelloWanted: boolean): Promise<void> {
    const { voice, state, isConnected, patience } = this.deps;
    const self = this.deps.self();
    const children = isHelloWanted ? this.deps.children() : [];
    const greeting = (this.greeting += 1);
    let isMore = false;
    for await (const entries of asTheyCome(children, patience)) {
      const hellos = isHelloWanted ? await this.hellos(self, entries, isMore) : [];
      if (!isConnected() || (isMore && greeting !== this.greeting)) return;
      if (isMore) voice.greetMore(hellos);
      else voice.greet(hellos, state(), self.told, isHelloWanted);
      isMore = true;
    }
  }

  /** None of a child that is not reached: a hello says that the device is there. */
  private async hellos(self: Self, children: readonly ChildEntry[], isMore: boolean): Promise<HelloMessage[]> {
    if ((await self.installer.reachable?.()) === false) return [];
    const { hellos, unfit } = await greetings(self, children, isMore);
    if (unfit.length > 0) this.deps.note('trouble', `there is no room in a hello for: ${unfit.join(', ')}`);
    return hellos;
  }
}
