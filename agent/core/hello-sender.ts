import { asTheyCome } from './as-they-come.js';
import { helloMessages, type ChildEntry, type HelloMessage, type Self } from './hello-message.js';
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
  readonly reporter: Reporter;
  /** Whether it can be said now. */
  readonly isConnected: () => boolean;
  readonly note: (phase: string, detail: string) => void;
}

/**
 * Says hello after each connect, and when it is asked for. A gateway's hello does not wait for a child that does not
 * answer: what comes later is told in a further hello.
 */
export class HelloSender {
  /** Counts them: only the newest goes on. */
  private helloNumber = 0;
  /** How often a slot got other content: what was read before that is not told any more. */
  private contents = 0;
  private underway = 0;

  constructor(private readonly deps: GreeterOptions) {}

  async sayHello(isHelloWanted: boolean): Promise<void> {
    this.underway += 1;
    try {
      await this.greet(isHelloWanted);
    } finally {
      this.underway -= 1;
    }
  }

  /** A slot has other content now: a hello that is being made, or repeated, is made anew. */
  async renew(): Promise<void> {
    this.contents += 1;
    const isRepeated = this.deps.reporter.forgetHellos();
    if (isRepeated || this.underway > 0) await this.sayHello(true);
  }

  /** What is being made, or repeated, gives way to one that is read from now on. */
  async sayAnew(): Promise<void> {
    this.contents += 1;
    this.deps.reporter.forgetHellos();
    await this.sayHello(true);
  }

  private async greet(isHelloWanted: boolean): Promise<void> {
    const { contents } = this;
    const { reporter, state, isConnected, patience } = this.deps;
    const self = this.deps.self();
    const children = isHelloWanted ? this.deps.children() : [];
    const helloNumber = (this.helloNumber += 1);
    let isMore = false;
    for await (const entries of asTheyCome(children, patience)) {
      const hellos = isHelloWanted ? await this.hellos(self, entries, isMore) : [];
      if (!isConnected() || contents !== this.contents || (isMore && helloNumber !== this.helloNumber)) return;
      if (isMore) reporter.addHellos(hellos);
      else reporter.sayHello(hellos, state(), self.reportedRevisions, isHelloWanted);
      isMore = true;
    }
  }

  /** None of a child that is not reached: a hello says that the device is there. */
  private async hellos(self: Self, children: readonly ChildEntry[], isMore: boolean): Promise<HelloMessage[]> {
    if ((await self.installer.reachable?.()) === false) return [];
    const { hellos, unfit } = await helloMessages(self, children, isMore);
    if (unfit.length > 0) this.deps.note('trouble', `there is no room in a hello for: ${unfit.join(', ')}`);
    return hellos;
  }
}
