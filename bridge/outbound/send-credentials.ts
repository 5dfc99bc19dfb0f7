import { defined } from '../../domain/defined.js';
import type { KeyObject } from 'node:crypto';
import type { Logger } from 'pino';
import type { BrokerAdmin, LoginOutcome, WantedLogin } from '../../adapters/broker/port.js';
import type { Fence } from '../../store/db/leases.js';
import { claim, settle, type Claimed, type Settled } from '../../store/outbox/outbox.js';
import type { Pool } from '../../store/db/pool.js';
import { unseal } from '../../store/fleet/sealed-passwords.js';
import { markLogins, readLogins, recordDisconnect, type LoginView } from '../../store/commands/logins.js';
import { deviceKey } from '../../store/db/keys.js';
import { isUuid } from '../../domain/uuid.js';

/** Of a broker that has to be told who may connect. */
export interface Administration {
  /** Opens it under one client id for every bridge, as the session's: a newer one cuts off a stalled one. */
  open(this: void): BrokerAdmin;
  /** What passwords are sealed to (store/fleet/sealed-passwords.ts). */
  readonly privateKey: KeyObject;
}

/** What the sender of credentials stands on. `now`: epoch milliseconds. */
export interface CredentialDependencies {
  pool: Pool;
  fence: Fence;
  log: Logger;
  now: () => number;
}

/** Brings logins up to date at the broker. */
export interface CredentialSender {
  /** @returns whether there may be more to do right now. */
  send(): Promise<boolean>;
  /** Everything is to be compared again: the broker may have lost it. */
  compareAgain(): void;
  end(): Promise<void>;
}

/**
 * Rows per claim. Small: the plugin saves its whole file twice for each new login, measured 14 ms per megabyte, and the
 * broker stands still meanwhile.
 */
const BATCH = 10;
/** More than the plugin's own deadlines for a batch. */
const LEASE_MS = 60_000;
/** What was changed at the broker by hand is mended after this time. */
const COMPARE_EVERY_MS = 10 * 60_000;

/**
 * For a broker that looks passwords up in PostgreSQL by itself: it is up to date as soon as the change is committed.
 */
export function withoutLogins(pool: Pool): CredentialSender {
  return {
    async send() {
      const claimed = await claim(pool, 'credential', 500, LEASE_MS);
      await settle(
        pool,
        claimed.map((one) => ({ claimed: one })),
      );
      return claimed.length > 0;
    },
    compareAgain: () => undefined,
    end: async () => undefined,
  };
}

/**
 * For a broker that has to be told. Each send carries the whole present of a device: which passwords are valid, or that
 * it is gone.
 */
export class LoginSender implements CredentialSender {
  private readonly admin: BrokerAdmin;
  /** Due at once when a term begins. */
  private stale = true;
  /** Epoch milliseconds. */
  private compareAt = 0;

  constructor(
    private readonly deps: CredentialDependencies,
    private readonly administration: Administration,
  ) {
    this.admin = administration.open();
  }

  compareAgain(): void {
    this.stale = true;
  }

  async send(): Promise<boolean> {
    const { pool, now } = this.deps;
    if (this.stale || now() >= this.compareAt) await this.compare();
    const claimed = await claim(pool, 'credential', BATCH, LEASE_MS);
    if (claimed.length === 0) return false;
    await settle(pool, await this.tell(claimed));
    return true;
  }

  end(): Promise<void> {
    return this.admin.close();
  }

  private async compare(): Promise<void> {
    this.stale = false;
    try {
      const marked = await markLogins(
        this.deps.pool,
        (await this.admin.nodes()).filter(({ node }) => isUuid(node)),
      );
      this.compareAt = this.deps.now() + COMPARE_EVERY_MS;
      this.deps.log.info({ devices: marked }, 'compares who may connect with what the broker knows');
    } catch (error) {
      this.stale = true;
      throw error;
    }
  }

  private async tell(claimed: readonly Claimed[]): Promise<Settled[]> {
    const { pool, fence, now } = this.deps;
    const logins = await readLogins(pool, fence, claimed);
    const views = claimed.map((one) =>
      defined(logins.get(deviceKey(one.tenantId, one.subject)), 'each subject has its login'),
    );
    try {
      const outcomes = await this.admin.bringUpToDate(views.map((view) => this.wantedOf(view)));
      this.say(views, outcomes);
      await recordDisconnect(
        pool,
        fence,
        views.filter((view, index) => isCutOff(view, outcomes[index])),
        now(),
      );
      return claimed.map((one, index) => ({ claimed: one, ...failureOf(outcomes[index]) }));
    } catch (error) {
      // The lease is another's: the rows are its as well, as soon as this claim runs out.
      if ((error as { name?: unknown }).name === 'LeaseLost') throw error;
      this.deps.log.warn(
        { err: error, devices: claimed.length },
        'the broker could not be told who may connect; trying again',
      );
      return claimed.map((one) => ({ claimed: one, error: (error as Error).message }));
    }
  }

  private wantedOf({ tenantId, deviceId, known, valid }: LoginView): WantedLogin {
    const { privateKey } = this.administration;
    return {
      tenant: tenantId,
      node: deviceId,
      known,
      valid: valid.map(({ id, sealed }) => ({
        id,
        reveal: () => (sealed ? unseal(privateKey, sealed, { tenantId, credentialId: id }) : undefined),
      })),
    };
  }

  private say(views: readonly LoginView[], outcomes: readonly (LoginOutcome | Error)[]): void {
    for (const [index, { tenantId, deviceId }] of views.entries()) {
      const outcome = outcomes[index];
      const about = { tenantId, deviceId };
      if (outcome instanceof Error)
        this.deps.log.error({ ...about, err: outcome }, 'the broker refused to be told who may connect as this device');
      else if (outcome === 'unknown')
        this.deps.log.error(
          about,
          'no valid password of this device can be told to the broker: it was made before SLIPWAY_MQTT_ADMIN or under another MQTT_PASSWORD; make a new one and revoke it',
        );
      else if (outcome !== 'unchanged')
        this.deps.log.info(
          about,
          outcome === 'admitted' ? 'the broker lets this device in' : 'the broker shuts this device out',
        );
    }
  }
}

function failureOf(outcome: LoginOutcome | Error | undefined): { error?: string } {
  return outcome instanceof Error ? { error: outcome.message } : {};
}

/**
 * With another password a device may be back before this is written: then only its session tells the old connection
 * from the new one.
 */
function isCutOff(view: LoginView, outcome: LoginOutcome | Error | undefined): boolean {
  if (outcome instanceof Error || outcome === undefined || outcome === 'unchanged') return false;
  return outcome !== 'admitted' || view.session !== null;
}
