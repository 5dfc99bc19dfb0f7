import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { InstallationResource } from '../../demo/service/operator.js';
import { TestedAllInOne, until } from '../support/all-in-one.js';
import { testGateway, type TestGateway } from './gateway.js';

const service = new TestedAllInOne();
const gateways: TestGateway[] = [];
const TERMS = {
  timeouts: { offer: 'PT30S', download: 'PT60S', install: 'PT60S', confirm: 'PT30S' },
  retry: { maxAttempts: 3, backoff: { first: 'PT1S' } },
};
let typeId: string;
beforeAll(async () => {
  await service.start();
  typeId = await service.operator.deviceType({ name: 'lamp', slots: { firmware: { name: 'Firmware' } } });
}, 120_000);
afterAll(async () => {
  await Promise.all(gateways.map((one) => one.end()));
  await service.stop();
  service.remove();
}, 60_000);

/** Registers a gateway and its children over REST, and boots it. */
async function gateway(
  name: string,
  count: number,
  knownBy: 'alias' | 'id',
  known: readonly string[] = [],
): Promise<TestGateway & { id: string }> {
  const { operator, endpoints } = service;
  const id = await operator.device({ name, deviceTypeId: typeId });
  const login = await operator.password(id);
  const children =
    known.length > 0
      ? known
      : await Promise.all(
          Array.from({ length: count }, (_, index) =>
            operator.device({
              name: `${name} ${index}`,
              deviceTypeId: typeId,
              connectedBy: id,
              ...(knownBy === 'alias' && { aliases: [`node-${index + 1}`] }),
            }),
          ),
        );
  const made = await testGateway(endpoints.mqtt, count, knownBy, { ...login, children });
  gateways.push(made);
  await made.boot();
  return Object.assign(made, { id });
}
async function firmware(version: string): Promise<{ id: string; sha256: string }> {
  const bytes = randomBytes(300_000);
  const file = join(service.dataDir, `${version}.bin`);
  writeFileSync(file, bytes);
  const id = await service.operator.firmware('lamp', version, file);
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
    40_000,
  );
const isInstalled = ({ state }: InstallationResource) => state === 'installed';

describe('A gateway and the real service', () => {
  it('find the ids of children that the gateway knows by aliases, and install on each of them', async () => {
    const one = await gateway('attic', 3, 'alias');
    await until('the ids', () => one.children.every(({ name }) => one.agent().childState(name)));
    const { id, sha256 } = await firmware('1.1.0');
    const requested = await Promise.all(one.children.map((child) => install(child.id, id)));
    for (const [index, asked] of requested.entries()) {
      const end = await become('installed', asked, isInstalled);
      expect(end.history.find(({ event }) => event === 'downloaded')?.data['by']).toBe(`device:${one.id}`);
      expect(await one.children[index]!.files.holds('firmware', sha256)).toBe(true);
    }
  }, 90_000);

  it('try again what a child that was out of reach missed', async () => {
    const one = await gateway('cellar', 1, 'id');
    const [child] = one.children;
    child!.isReachable = false;
    const { id, sha256 } = await firmware('1.2.0');
    const asked = await install(child!.id, id);
    await become('the second attempt', asked, ({ attempt }) => attempt >= 2);
    child!.isReachable = true;
    const end = await become('installed', asked, isInstalled);
    expect(JSON.stringify(end.history)).toContain('CHILD_UNREACHABLE');
    expect(await child!.files.holds('firmware', sha256)).toBe(true);
  }, 90_000);

  it('move a child that waits at the gate: the first gateway stops, the second one fetches and installs', async () => {
    const one = await gateway('first', 1, 'id');
    const [child] = one.children;
    const two = await gateway('second', 1, 'id', [child!.id]);
    const { id, sha256 } = await firmware('1.3.0');
    const asked = await install(child!.id, id, { gate: 'hold' });
    await become('the gate', asked, ({ state }) => state === 'downloaded');
    await service.operator.call('PATCH', `/v1/devices/${child!.id}`, { info: { connectedBy: two.id } });
    await until('the first gateway to stop', () => one.agent().childState(child!.id)?.slots['firmware']?.job === null);
    await until(
      'the second gateway to take it',
      () => two.agent().childState(child!.id)?.slots['firmware']?.job?.phase === 'downloaded',
    );
    await service.operator.call('POST', `/v1/devices/${child!.id}/firmware-installations/${asked.id}/release`);
    const end = await become('installed', asked, isInstalled);
    expect([end.attempt, end.history.at(-1)?.data['by']]).toEqual([1, `device:${two.id}`]);
    expect(await two.children[0]!.files.holds('firmware', sha256)).toBe(true);
    expect(child!.pushes).toEqual([]);
  }, 90_000);
});
