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
  /** Of each device, the oldest first. */
  private readonly connections = new Map<string, Set<Session>>();

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
    const { identity } = admission;
    const key = identity.kind === 'device' ? `${identity.tenant}/${identity.node}` : undefined;
    if (key !== undefined) this.connections.set(key, (this.connections.get(key) ?? new Set()).add(session));
    client.conn.once('close', () => {
      this.open.delete(session);
      if (identity.kind !== 'device' || key === undefined) return;
      const others = this.connections.get(key);
      others?.delete(session);
      if (others === undefined || others.size > 0) return;
      this.connections.delete(key);
      this.gone({ tenant: identity.tenant, node: identity.node });
    });
  }

  /** The connections of one device, the oldest first. */
  ofDevice(tenant: string, node: string): readonly Session[] {
    return [...(this.connections.get(`${tenant}/${node}`) ?? [])];
  }
}
