import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fetch } from 'undici';
import { HandMadeDevice } from '../bridge/hand-made-device.js';
import { TestedAllInOne } from '../support/all-in-one.js';
import { isInside } from '../support/outside.js';
import { until } from '../support/until.js';

/**
 * As an operator and the engineer of a gateway meet it: REST, MQTT and HTTP of the whole thing, and nothing of ours on
 * the gateway's side.
 */
const service = new TestedAllInOne();
const content = randomBytes(200_000);
const sha256 = createHash('sha256').update(content).digest('hex');
const gateways: HandMadeDevice[] = [];
let typeId: string;
let firmwareId: string;

beforeAll(async () => {
  await service.start();
  const { operator } = service;
  writeFileSync(join(service.dataDir, 'firmware.bin'), content);
  typeId = await operator.deviceType({ name: 'Light switch', slots: { firmware: { name: 'Firmware' } } });
  firmwareId = await operator.firmware('light switch', '1.5.0', join(service.dataDir, 'firmware.bin'));
  await operator.associate(typeId, 'firmware', firmwareId);
}, 120_000);
afterAll(async () => {
  await Promise.all(gateways.map((gateway) => gateway.end()));
  await service.stop();
  service.remove();
}, 60_000);

async function gateway(name: string): Promise<HandMadeDevice> {
  const id = await service.operator.device({ name, deviceTypeId: typeId });
  const { password } = await service.operator.password(id);
  const one = new HandMadeDevice(service.endpoints.mqtt, 'default', id, password);
  gateways.push(one);
  return letIn(one);
}
/** An outside broker learns a new password within a moment. */
const letIn = (one: HandMadeDevice) => until('it is let in', () => one.connect());

const diagnosed = (id: string, reason: string) =>
  until(`"${reason}" in last-diagnostics`, async () =>
    (
      await service.operator.call<{ reason: string; detail: string; topic?: string }[]>(
        'GET',
        `/v1/devices/${id}/last-diagnostics`,
      )
    ).find((one) => one.reason === reason),
  );

describe('A child that moves to another gateway while it is being installed', () => {
  it('is cleared at the old one, offered by the new one with revision + 1, refused from the old one, and installed by the new one', async () => {
    const { operator } = service;
    const [left, joined] = [await gateway('left'), await gateway('joined')];
    const childId = await operator.device({
      name: 'child',
      deviceTypeId: typeId,
      connectedBy: left.id,
      aliases: ['mac:02'],
    });
    const receipt = await left.hello({}, { children: [{ device: 'mac:02', slots: {}, reachable: true }] });
    expect(await left.ack(receipt)).toMatchObject({ children: { 'mac:02': childId } });
    const { id } = await operator.install(childId, { firmwareId, slot: 'firmware' });
    const before = await left.desired(childId);
    expect((await operator.installation(childId, id)).waitingOn).toMatch(/^Waiting for the device to accept/);

    const blob = await fetch((before['download'] as { url: string }).url);
    expect(
      createHash('sha256')
        .update(Buffer.from(await blob.arrayBuffer()))
        .digest('hex'),
    ).toBe(sha256);
    await left.status(before, 'downloading', {}, childId);
    await until('it downloads', async () => (await operator.installation(childId, id)).state === 'downloading');

    await operator.call('PATCH', `/v1/devices/${childId}`, { info: { connectedBy: joined.id } });
    await left.cleared(childId);
    const after = await joined.desired(childId);
    expect(after).toMatchObject({ installationId: id, revision: (before['revision'] as number) + 1 });
    const refused = await left.status(before, 'installed', {}, childId);
    expect(await left.ack(refused, childId)).toMatchObject({ result: 'forbidden' });
    expect(await diagnosed(left.id, 'forbidden')).toMatchObject({ topic: left.topic('up/status', childId) });

    await joined.ack(
      await joined.hello(
        {},
        {
          children: [
            {
              device: childId,
              slots: {
                firmware: {
                  version: '1.5.0',
                  sha256,
                  installationId: id,
                  revision: after['revision'],
                  confirmed: true,
                },
              },
              reachable: true,
            },
          ],
        },
      ),
    );
    expect(await operator.installation(childId, id)).toMatchObject({ state: 'installed', waitingOn: null });
    expect(await operator.slots(childId)).toMatchObject([
      { slot: 'firmware', current: { sha256, firmwareId, confirmed: true }, desired: null },
    ]);
  }, 60_000);
});

if (
  isInside(
    'the broker',
    'a message on a foreign topic shows in last-diagnostics',
    'mosquitto does not tell what it refuses (docs/mosquitto.md)',
  )
)
  describe('A message on a foreign topic', () => {
    it('is not recorded, and shows in the last-diagnostics of its sender', async () => {
      const [honest, other] = [await gateway('honest'), await gateway('other')];
      const topic = `slipway/v1/default/${honest.id}/${honest.id}/up/hello`;
      await other.send(topic, {
        v: 1,
        msgId: 'x',
        agent: { name: 'x', version: '1' },
        slots: { firmware: { version: '6.6.6', sha256, confirmed: true } },
      });
      expect(await diagnosed(other.id, 'foreign_topic')).toMatchObject({ topic });
      expect(await service.operator.slots(honest.id)).toMatchObject([{ current: null }]);
      await until('it is counted', async () =>
        /slipway_device_messages_refused_total\{reason="foreign_topic"\} [1-9]/.test(
          await (await fetch(`${service.endpoints.http}/metrics`)).text(),
        ),
      );
    }, 60_000);
  });

describe('A child without any credential in its chain', () => {
  it('is answered 201, says what it waits for, and is offered as soon as its gateway gets a credential', async () => {
    const { operator } = service;
    const gatewayId = await operator.device({ name: 'not provisioned', deviceTypeId: typeId });
    const childId = await operator.device({ name: 'its child', deviceTypeId: typeId, connectedBy: gatewayId });
    const { id } = await operator.install(childId, { firmwareId, slot: 'firmware' });
    await until('it says so', async () =>
      /neither the device nor a gateway in its chain has one/.test(
        (await operator.installation(childId, id)).waitingOn ?? '',
      ),
    );
    const { password } = await operator.password(gatewayId);
    const late = new HandMadeDevice(service.endpoints.mqtt, 'default', gatewayId, password);
    gateways.push(late);
    await letIn(late);
    expect(await late.desired(childId)).toMatchObject({ installationId: id });
  }, 60_000);
});
