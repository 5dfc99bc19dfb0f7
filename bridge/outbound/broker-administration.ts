import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { BrokerAdmin } from '../../adapters/broker/port.js';
import type { Pool } from '../../store/db/pool.js';
import { privateKeyOf, publicKeyOf } from '../../store/fleet/sealed-passwords.js';
import { publishSeal, readBridgeClientId } from '../../store/commands/logins.js';
import { asService } from '../../store/db/transaction.js';
import type { Administration } from './send-credentials.js';

const RETRY_MS = 1_000;

/** As whom the bridge administers the broker. */
export interface AdministratorLogin {
  readonly username: string;
  readonly password: string;
  readonly clientId: string;
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly servername?: string;
}
type Tls = Omit<AdministratorLogin, 'username' | 'password' | 'clientId'>;

interface AdministeredBroker {
  /** Connects, as often as it is called (adapters/broker/mosquitto-admin.ts). */
  readonly open: (login: () => Promise<AdministratorLogin>) => BrokerAdmin;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly tls: Tls | undefined;
}

/**
 * What the bridge needs to tell mosquitto who may connect. From here on the API seals each password that it makes; one
 * that was made before can never be told. Waits for the database: a key that was not published would be found missing
 * only when the first device is refused.
 */
export async function administer(
  pool: Pool,
  { open, username = '', password = '', tls }: AdministeredBroker,
  log: Logger,
): Promise<Administration> {
  const privateKey = privateKeyOf(password);
  for (;;) {
    try {
      await publishSeal(pool, publicKeyOf(privateKey));
      break;
    } catch (error) {
      log.warn({ err: error }, "the key for the broker's passwords could not be published; trying again");
      await sleep(RETRY_MS);
    }
  }
  let clientId: string | undefined;
  return {
    privateKey,
    open: () =>
      open(async () => {
        clientId ??= `${await asService(pool, readBridgeClientId)}-administrator`;
        return { username, password, clientId, ...tls };
      }),
  };
}
