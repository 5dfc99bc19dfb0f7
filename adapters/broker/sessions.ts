import type { Client } from 'aedes';
import type { Admission } from './guard.js';

/** One connection that was let in. */
export interface Session {
  readonly client: Client;
  readonly admission: Admission;
  /** How often it was refused something: only the first few are logged. */
  refusals: number;
}

/** Whose connections have ended. */
export interface Gone {
  readonly tenant: string;
  readonly node: string;
}

/**
 * Everyone who was let in. A last will is judged when its connection has closed, so the answer to "who was it" outlives
 * the connection.
 */
export class Sessions {
  readonly open = new Set<Session>();
  private readonly all = new WeakMap<Client, Session>();
  private readonly connections = new Map<string, number>();

  /**
   * @param gone is called when the last connection of a device has closed. One that was taken over by a newer one of
   * the same device is not its last.
   */
  constructor(private readonly gone: (device: Gone) => void) {}

  of(client: Client): Session | undefined {
    return this.all.get(client);
  }

  add(client: Client, admission: Admission): void {
    const session = { client, admission, refusals: 0 };
    this.all.set(client, session);
    this.open.add(session);
    this.count(session, 1);
    client.conn.once('close', () => {
      this.open.delete(session);
      this.count(session, -1);
    });
  }

  private count({ admission: { identity } }: Session, by: 1 | -1): void {
    if (identity.kind !== 'device') return;
    const { tenant, node } = identity;
    const key = `${tenant}/${node}`;
    const left = (this.connections.get(key) ?? 0) + by;
    if (left > 0) this.connections.set(key, left);
    else {
      this.connections.delete(key);
      this.gone({ tenant, node });
    }
  }
}
