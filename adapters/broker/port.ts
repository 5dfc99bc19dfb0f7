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
  /** Oldest first; none = no client may connect with this name. */
  readonly valid: readonly ValidPassword[];
  /** false: the device is gone, and its name with it. */
  readonly known: boolean;
}

/**
 * What the broker did. `unchanged`: it was so already, and no client was disturbed. `admitted`: a password is in force
 * from now on; clients of another one were cut off. `shut_out`: no client connects with this name, and clients that had
 * was cut off. `unknown`: as shut_out, because no valid password can be revealed.
 */
export type LoginOutcome = 'unchanged' | 'admitted' | 'shut_out' | 'unknown';

/**
 * Administration of a broker that has to be told who may connect. Idempotent: it is told the whole present, again and
 * again, and compares first. What was thrown may have been done: it is told again.
 */
export interface BrokerAdmin {
  /** @returns what became of each, in order; an Error is what the broker said of that one alone. */
  bringUpToDate(wanted: readonly WantedLogin[]): Promise<(LoginOutcome | Error)[]>;
  /** Every node that has a name at the broker, also those that are shut out. */
  nodes(): Promise<{ tenant: string; node: string }[]>;
  close(): Promise<void>;
}

/** A password as a broker asks about it: never the password itself. */
export interface Claim {
  /** `tenant/node` */
  readonly username: string;
  /** SHA-256 of the password's UTF-8. */
  readonly secretHash: Buffer;
}

/** A credential's primary key. */
export interface CredentialKey {
  readonly tenantId: string;
  readonly id: string;
}

/**
 * Where the embedded broker looks passwords up (store/fleet/broker-credentials.ts). Each call throws where PostgreSQL
 * cannot be asked.
 */
export interface CredentialLookup {
  /** @returns per claim, in order: the credential that is valid now, or undefined. */
  find(claims: readonly Claim[]): Promise<(CredentialKey | undefined)[]>;
  /**
   * @returns ids of what was revoked or deleted within the last minute; undefined where the schema is older than this
   * broker.
   */
  endedLately(): Promise<ReadonlySet<string> | undefined>;
  /** @returns the ids of those that are valid still. */
  stillValid(credentials: readonly CredentialKey[]): Promise<ReadonlySet<string>>;
}

/** A message that the broker refused, for the diagnostics of the device that sent it. */
export interface RefusedMessage {
  tenantId: string;
  deviceId: string;
  /** Epoch milliseconds. */
  at: number;
  reason: string;
  detail: string;
  topic?: string;
  payload?: string;
}

/** Who takes what the embedded broker refused. */
export interface RefusalSink {
  /** Counted each time, also where it is not kept. */
  count(reason: string): void;
  keep(refused: readonly RefusedMessage[]): Promise<void>;
}
