import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { InstallationResource, Operator } from '../../demo/service/operator.js';
import { createFleet, type Fleet } from '../../agent/simulator/fleet.js';
import type { Profile } from '../../agent/simulator/profile.js';
import { admin, Folder } from '../cli/admin.js';
import { TestedAllInOne, until } from '../support/all-in-one.js';

/** A device that takes nothing more of its download until the test says so. */
class Gated implements Profile {
  readonly name = 'gated';
  readonly expected = { state: 'installed', because: 'its download goes on in the end' } as const;
  open = false;

  behave: Profile['behave'] = (control) => ({
    received: async ({ bytes }) => {
      while (!this.open) await control.wait(50);
      return bytes;
    },
  });
}

const SIZE = 300_000;
const TERMS = { timeouts: { offer: 'PT25S', download: 'PT60S', install: 'PT60S', confirm: 'PT60S' } };
const downloading = new Gated();
const finishes = new Gated();
const DEVICES = { silent: 'silent', downloading, finishes, overtaken: 'good' } as const;
type Name = keyof typeof DEVICES;

let folder: Folder;
let first: TestedAllInOne;
let restored: TestedAllInOne;
let fleet: Fleet;
let typeId: string;
const ids = {} as Record<Name, string>;
const installations = {} as Record<Name, string>;
let firmware: { id: string; sha256: string };

const look = (operator: Operator, name: Name): Promise<InstallationResource> =>
  operator.installation(ids[name], installations[name]);
const reaches = (operator: Operator, name: Name, state: string, ms = 40_000): Promise<InstallationResource> =>
  until(
    `${name} is ${state}`,
    async () => {
      const found = await look(operator, name);
      if (found.state === state) return found;
      throw new Error(`it is ${found.state}: ${found.waitingOn}`);
    },
    ms,
  );

async function upload(operator: Operator, version: string): Promise<{ id: string; sha256: string }> {
  const bytes = randomBytes(SIZE);
  writeFileSync(folder.at('upload.bin'), bytes);
  const id = await operator.firmware('switch', version, folder.at('upload.bin'));
  await operator.associate(typeId, 'firmware', id);
  return { id, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** On the installation that will be lost: four devices, each at another point of its installation. */
async function setOut(): Promise<void> {
  const { operator, endpoints } = first;
  typeId = await operator.deviceType({ name: 'switch', slots: { firmware: { name: 'Firmware' } } });
  firmware = await upload(operator, '2.0.0');
  const devices = await Promise.all(
    Object.entries(DEVICES).map(async ([name, profile]) => {
      const id = await operator.device({ name, deviceTypeId: typeId });
      ids[name as Name] = id;
      const { username, password } = await operator.password(id);
      return { tenant: 'default', id, username, password, profile };
    }),
  );
  fleet = createFleet({ devices, mqttUrl: endpoints.mqtt, dir: folder.at('devices'), seed: 3 });
  await fleet.start();
  for (const name of Object.keys(DEVICES) as Name[]) {
    const gate = name === 'overtaken' ? 'hold' : 'go';
    installations[name] = (
      await operator.install(ids[name], { firmwareId: firmware.id, slot: 'firmware', gate, ...TERMS })
    ).id;
  }
  await Promise.all([
    reaches(operator, 'silent', 'delivered'),
    reaches(operator, 'downloading', 'downloading'),
    reaches(operator, 'finishes', 'downloading'),
    reaches(operator, 'overtaken', 'downloaded'),
  ]);
}

/**
 * What the backup does not know: one device finishes, and another one is given something else, under higher revisions.
 */
async function goOnAfterTheBackup(): Promise<void> {
  const { operator } = first;
  finishes.open = true;
  const path = `/v1/devices/${ids.overtaken}/firmware-installations`;
  await operator.call('POST', `${path}/${installations.overtaken}/cancel`, {});
  await reaches(operator, 'overtaken', 'canceled');
  const later = await upload(operator, '3.0.0');
  const { id } = await operator.install(ids.overtaken, {
    firmwareId: later.id,
    slot: 'firmware',
    gate: 'hold',
    ...TERMS,
  });
  await until(
    'it is held',
    async () => (await operator.installation(ids.overtaken, id)).state === 'downloaded',
    40_000,
  );
  await operator.call('POST', `${path}/${id}/release`);
  await until(
    'it has the later version',
    async () => (await operator.installation(ids.overtaken, id)).state === 'installed',
    40_000,
  );
  await reaches(operator, 'finishes', 'installed');
}

beforeAll(async () => {
  folder = await Folder.make();
  first = new TestedAllInOne();
  restored = new TestedAllInOne(folder.at('restored'));
  await first.start();
  await setOut();
}, 180_000);
afterAll(async () => {
  downloading.open = true;
  await fleet.stop();
  await first.stop();
  await restored.stop();
  first.remove();
  await folder.remove();
}, 60_000);

describe('A backup of the all in one that was made while installations were running', () => {
  it('is made while Slipway runs, without interruption', async () => {
    const made = await admin(['backup', folder.at('backup')], { SLIPWAY_DATA_DIR: first.dataDir });
    expect(made).toMatchObject({
      code: 0,
      said: expect.stringMatching(
        /^1 blobs of ready firmware: 1 copied \(300\.0 kB\), 0 there already\.\n\d+ rows of \d+ tables, as of /,
      ),
    });
    await goOnAfterTheBackup();
  }, 180_000);

  it('is restored into an empty folder with one command after the machine is lost', async () => {
    const { pid } = first;
    const endpoints = first.endpoints;
    await first.kill();
    await until('its children are gone, too', () => first.processes().length === 0, 20_000);
    first.remove();
    const brought = await admin(['--data-dir', restored.dataDir, 'restore', folder.at('backup')], {});
    expect(brought).toMatchObject({
      code: 0,
      said: expect.stringMatching(
        /4 installations are open and go on when Slipway starts\.\n {2}history of default: \d+ entries, the chain is whole\n$/,
      ),
    });
    await restored.start();
    // Under the addresses that the devices know.
    expect([restored.endpoints.http, restored.endpoints.mqtt]).toEqual([endpoints.http, endpoints.mqtt]);
    expect(restored.pid).not.toBe(pid);
  }, 180_000);

  it('a device in its download continues with it, and ends as installed', async () => {
    await until(
      'it has come back',
      async () => (await restored.operator.call<{ online: boolean }>('GET', `/v1/devices/${ids.downloading}`)).online,
      30_000,
    );
    downloading.open = true;
    await reaches(restored.operator, 'downloading', 'installed', 60_000);
    expect(await fleet.device(ids.downloading).holds('firmware', firmware.sha256)).toBe(true);
  }, 120_000);

  it('a silent device ends as timed out, at its deadline', async () => {
    const { startedAt, rejectReason } = await reaches(restored.operator, 'silent', 'timed_out', 60_000);
    expect([startedAt, rejectReason]).toEqual([undefined, 'the device did not accept the offer in time']);
  }, 90_000);

  it('what a device finished after the backup is taken from its hello, and not installed again', async () => {
    await reaches(restored.operator, 'finishes', 'installed', 60_000);
    const writes = (await fleet.device(ids.finishes).journal()).filter(({ kind }) => kind === 'install');
    expect(writes).toHaveLength(1);
  }, 90_000);

  it('a device that has seen higher revisions since the backup is not ignored, and does not ignore', async () => {
    await restored.operator.call(
      'POST',
      `/v1/devices/${ids.overtaken}/firmware-installations/${installations.overtaken}/release`,
    );
    await reaches(restored.operator, 'overtaken', 'installed', 60_000);
    expect(await fleet.device(ids.overtaken).holds('firmware', firmware.sha256)).toBe(true);
  }, 90_000);

  it('leaves nothing open, nothing in the outbox, and a key that still works', async () => {
    await until(
      'an empty outbox',
      async () =>
        !/slipway_outbox_(rows|depth)\S* [1-9]/.test(await (await fetch(`${restored.endpoints.http}/metrics`)).text()),
      30_000,
    );
    for (const name of Object.keys(DEVICES) as Name[])
      expect((await look(restored.operator, name)).waitingOn ?? null).toBeNull();
  }, 60_000);

  it('is made of a stopped one just as well', async () => {
    await restored.stop();
    expect(await admin(['backup', folder.at('second')], { SLIPWAY_DATA_DIR: restored.dataDir })).toMatchObject({
      code: 0,
    });
    expect(await admin(['--data-dir', folder.at('third'), 'restore', folder.at('second')], {})).toMatchObject({
      code: 0,
      said: expect.stringMatching(/\n? 0 installations are open/),
    });
    expect(restored.processes()).toEqual([]);
  }, 120_000);
});
