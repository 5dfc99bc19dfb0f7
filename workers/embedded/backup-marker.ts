import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A folder inside of the data folder in which a restore builds the database, which leaves it in the restore's last
 * step.
 */
export const RESTORING = 'restoring';

/**
 * @throws a sentence where a restore broke off: a service that started there would look like one that lost everything.
 */
export function assertNotRestoring(dataDir: string): void {
  if (existsSync(join(dataDir, RESTORING, 'postgres')))
    throw new Error(
      `a restore into ${dataDir} broke off: run slipway-admin restore again, or remove ${join(dataDir, RESTORING)} to begin with nothing`,
    );
}
