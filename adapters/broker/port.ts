/** One password that is valid now. */
export interface ValidPassword {
  /** The credential's id: what a broker can remember of it without knowing it. */
  readonly id: string;
  /** The password itself; undefined where it cannot be known any more. */
  reveal(): string | undefined;
}

/** Who may connect as one node. */
export interface WantedLogin {
  readonly tenant: string;
  readonly node: string;
  /** Oldest first; none = nobody may come in by this name. */
  readonly valid: readonly ValidPassword[];
  /** false: the device is gone, and its name with it. */
  readonly known: boolean;
}

/**
 * What the broker did. `unchanged`: it was so already, and nobody was disturbed. `admitted`: a password is in force from now on; who was connected by
 * another one was cut off. `shut_out`: nobody comes in by this name, and whoever had was cut off. `unknown`: as shut_out, because no valid password can be revealed.
 */
export type LoginOutcome = 'unchanged' | 'admitted' | 'shut_out' | 'unknown';

/**
 * Administration of a broker that has to be told who may connect. Idempotent: it is told the whole present, again and again, and compares first.
 * What was thrown may have been done: it is told again.
 */
export interface BrokerAdmin {
  /** @returns what became of each, in order; an Error is what the broker said of that one alone. */
  bringUpToDate(wanted: readonly WantedLogin[]): Promise<(LoginOutcome | Error)[]>;
  /** Every node that has a name at the broker, also those that are shut out. */
  nodes(): Promise<{ tenant: string; node: string }[]>;
  close(): Promise<void>;
}
