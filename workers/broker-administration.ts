import type { ConnectionOptions } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { mosquittoAdmin } from '../adapters/broker/mosquitto-admin.js';
import type { Administration } from '../bridge/send-credentials.js';
import type { Pool } from '../store/pool.js';
import { privateKeyOf, publicKeyOf } from '../store/sealed-passwords.js';
import { publishSeal, readBridgeClientId } from '../store/sending-credentials.js';
import { asService } from '../store/transaction.js';
import type { Log } from './log.js';

const RETRY_MS = 1_000;

interface AdministeredBroker {
  readonly url: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly tls: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'servername'> | undefined;
}

/**
 * What the bridge needs to tell mosquitto who may connect. From here on the API seals each password that it makes; one that was made before can
 * never be told. Waits for the database: a key that was not published would be found missing only when the first device is refused.
 */
export async function administer(pool: Pool, { url, username = '', password = '', tls }: AdministeredBroker, log: Log): Promise<Administration> {
  const privateKey = privateKeyOf(password);
  for (;;) {
    try {
      await publishSeal(pool, publicKeyOf(privateKey));
      break;
    } catch (error) {
      log.warn({ err: error }, 'the key for the broker\'s passwords could not be published; trying again');
      await sleep(RETRY_MS);
    }
  }
  let clientId: string | undefined;
  return {
    privateKey,
    open: () => mosquittoAdmin(url, async () => {
      clientId ??= `${await asService(pool, readBridgeClientId)}-administrator`;
      return { username, password, clientId, ...(tls as object | undefined) };
    }),
  };
}
