import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { AllInOne } from '../../demo/service/all-in-one.js';
import { TestedAllInOne, until } from '../support/all-in-one.js';

const first = new TestedAllInOne();
const { dataDir } = first;
afterAll(() => first.remove());

const file = () => readFileSync(join(dataDir, 'admin-token'), 'utf8').trim();
const statusWith = async (service: AllInOne, token: string) =>
  (await fetch(`${service.endpoints.http}/v1/devices`, { headers: { authorization: `Bearer ${token}` } })).status;

/** A start on the same data folder with these settings, and a look at it. */
async function started(env: Record<string, string>, look: (service: AllInOne) => Promise<void>): Promise<void> {
  const service = new AllInOne('dist/workers/up.js', dataDir, env);
  await service.start();
  try {
    await look(service);
  } finally {
    await service.stop();
  }
}

describe('The admin token', () => {
  it('that is newest counts, also when a later start does not name it; one that was replaced never works again', async () => {
    let made = '';
    const given = 'given-by-the-environment';
    await started({}, async (service) => {
      made = file();
      expect(await statusWith(service, made)).toBe(200);
    });
    await started({ SLIPWAY_ADMIN_TOKEN: given }, async (service) => {
      expect([await statusWith(service, given), await statusWith(service, made)]).toEqual([200, 401]);
      expect(file()).toBe('# The admin token came from SLIPWAY_ADMIN_TOKEN: it is kept as a hash only.');
    });
    await started({}, async (service) => {
      expect([await statusWith(service, given), await statusWith(service, made)]).toEqual([200, 401]);
    });
    await started({ SLIPWAY_ADMIN_TOKEN: made }, async (service) => {
      await until('the log says so', () => service.output.includes('was replaced by a newer one'), 20_000);
      expect([await statusWith(service, given), await statusWith(service, made)]).toEqual([200, 401]);
    });
  }, 240_000);
});
