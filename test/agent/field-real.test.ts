import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { InstallationResource } from '../../demo/service/operator.js';
import { TestedAllInOne, until } from '../support/all-in-one.js';
import { digestOf } from './device.js';
import { RealAgent } from './real-agent.js';
import { SmallDisk } from './small-disk.js';

const service = new TestedAllInOne();
const TERMS = {
  timeouts: { offer: 'PT30S', download: 'PT60S', install: 'PT60S', confirm: 'PT30S' },
  retry: { maxAttempts: 3, backoff: { first: 'PT1S' } },
};
const agents: RealAgent[] = [];
const disks: SmallDisk[] = [];
let typeId: string;
beforeAll(async () => {
  await service.start();
  typeId = await service.operator.deviceType({ name: 'pump', slots: { firmware: { name: 'Firmware' } } });
}, 120_000);
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.remove()));
  await Promise.all(disks.splice(0).map((disk) => disk.end()));
});
afterAll(async () => {
  await service.stop();
  service.remove();
}, 60_000);

/** A registered device with its agent's folder; `configure` and `start` are the test's. */
async function device(name: string): Promise<{ id: string; agent: RealAgent; login: object }> {
  const { operator, endpoints } = service;
  const id = await operator.device({ name, deviceTypeId: typeId });
  const agent = await RealAgent.create(endpoints.mqtt);
  agents.push(agent);
  const { username, password } = await operator.password(id);
  return { id, agent, login: { username, password } };
}
async function firmware(version: string, size: number): Promise<{ id: string; sha256: string }> {
  const bytes = randomBytes(size);
  const file = join(service.dataDir, `${version}.bin`);
  writeFileSync(file, bytes);
  const id = await service.operator.firmware('pump', version, file);
  await service.operator.associate(typeId, 'firmware', id);
  return { id, sha256: createHash('sha256').update(bytes).digest('hex') };
}
const install = (deviceId: string, firmwareId: string, also: object = {}) =>
  service.operator.install(deviceId, { firmwareId, slot: 'firmware', allowDowngrade: true, ...TERMS, ...also });
const become = (what: string, { deviceId, id }: InstallationResource, is: (one: InstallationResource) => boolean) =>
  until(
    what,
    async () => {
      const one = await service.operator.installation(deviceId, id);
      if (!is(one)) throw new Error(`${one.state}, try ${one.attempt}: ${one.waitingOn ?? one.rejectReason ?? ''}`);
      return one;
    },
    60_000,
  );
const isInstalled = ({ state }: InstallationResource) => state === 'installed';

describe('slipway-agent in the field, and the real service', () => {
  it('end an installation with NO_SPACE on a full disk, and install when there is room', async () => {
    const { id, agent, login } = await device('small disk');
    await mkdir(agent.path('small'));
    const disk = await SmallDisk.create(agent.path('small'), 4 * 1024 * 1024);
    disks.push(disk);
    await agent.configure({ slots: { firmware: {} }, stateDir: agent.path('small/state'), ...login });
    agent.start({ under: disk.under });
    await until('its state folder', async () => (await readdir(disk.path('state'))).includes('reserve'));
    await disk.fill();
    const { id: firmwareId, sha256 } = await firmware('1.1.0', 1_000_000);
    const asked = await install(id, firmwareId);
    const failed = await become('failed', asked, ({ state }) => state === 'failed');
    expect([failed.attempt, JSON.stringify(failed.history)]).toEqual([1, expect.stringContaining('NO_SPACE')]);
    await disk.clear();
    await become('installed', await install(id, firmwareId), isInstalled);
    expect(await digestOf(disk.path('state/slots/firmware/current'))).toBe(sha256);
    expect(await readdir(disk.path('state/downloads'))).toEqual([]);
  }, 120_000);

  it('finish an installation whose state on the device was lost in the middle', async () => {
    const { id, agent, login } = await device('worn flash');
    await agent.configure({ slots: { firmware: {} }, ...login });
    agent.start();
    const { id: firmwareId, sha256 } = await firmware('1.2.0', 300_000);
    const asked = await install(id, firmwareId, { gate: 'hold' });
    await become('the gate', asked, ({ state }) => state === 'downloaded');
    await agent.end('SIGKILL');
    await writeFile(agent.path('state/state.json'), '');
    agent.start();
    await service.operator.call('POST', `/v1/devices/${id}/firmware-installations/${asked.id}/release`);
    const end = await become('installed', asked, isInstalled);
    expect(end.attempt).toBe(1);
    expect(await digestOf(agent.path('state/slots/firmware/current'))).toBe(sha256);
    await until('the damaged file in last-diagnostics', async () => {
      const diagnostics = await service.operator.call<{ reason: string; detail: string }[]>(
        'GET',
        `/v1/devices/${id}/last-diagnostics`,
      );
      expect(diagnostics.find(({ reason }) => reason === 'damaged_file')?.detail).toBe(
        'state.json cannot be read (it is empty): it is kept as state.json.corrupt and begun anew',
      );
      return true;
    });
  }, 120_000);

  it('make another attempt when nothing of a command that took too long is left', async () => {
    const { id, agent, login } = await device('stubborn command');
    const body = `[ "$SLIPWAY_ATTEMPT" = 1 ] || { cp "$SLIPWAY_FILE" "$DIR/slot"; sleep 0.5; exit 0; }
(trap '' TERM; while :; do echo broken > "$DIR/slot"; sleep 0.05; done) & wait`;
    const command = [await agent.script('install.sh', body)];
    await agent.configure({ slots: { firmware: { command, timeoutSeconds: 1 } }, ...login });
    agent.start();
    const { id: firmwareId, sha256 } = await firmware('1.3.0', 300_000);
    const end = await become('installed', await install(id, firmwareId), isInstalled);
    expect(end.attempt).toBe(2);
    expect(await digestOf(agent.path('slot'))).toBe(sha256);
  }, 120_000);
});
