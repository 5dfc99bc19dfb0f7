import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../support/until.js';
import { BridgeUnderTest } from './bridge-under-test.js';
import type { HandMadeDevice } from './hand-made-device.js';

/** docs/contracts/device-mqtt.md, "Topics": until when a device is online, with the embedded broker. */
const bridge = new BridgeUnderTest('bridge presence');
beforeAll(() => bridge.start(), 60_000);
afterAll(() => bridge.end(), 60_000);

const isOnline = async (id: string) =>
  (await bridge.facts.sql<{ online: boolean }>('SELECT online FROM devices WHERE id = $1', [id]))[0]!.online;
const becomes = (id: string, online: boolean) =>
  until(`${id} is ${online ? 'online' : 'offline'}`, async () => (await isOnline(id)) === online, 60_000);
/** Everything that this device has sent was recorded. */
const heard = async (device: HandMadeDevice) => device.ack(await device.hello({}));

/** Without a last will. */
async function plain(id: string, clientId = `plain-${randomUUID()}`): Promise<HandMadeDevice> {
  const device = await bridge.strange(id).connect({ will: undefined as never, clientId });
  await heard(device);
  return device;
}

describe('A device that set no last will', () => {
  it.each([
    ['breaks', (device: HandMadeDevice) => device.cut()],
    ['ends in good order', (device: HandMadeDevice) => device.end()],
    ['ends by its revoked password', (device: HandMadeDevice) => bridge.broker.disconnect('default', device.id)],
  ])('is offline when its connection %s', async (_, ends) => {
    const id = await bridge.facts.device();
    const device = await plain(id);
    expect(await isOnline(id)).toBe(true);
    void ends(device);
    await becomes(id, false);
  });

  it('is offline also where it once said presence in a session without an end', async () => {
    const id = await bridge.facts.device();
    const before = await plain(id);
    await before.presence(true, 'of long ago');
    await heard(before);
    await before.end();
    await becomes(id, false);
    const device = await plain(id);
    device.cut();
    await becomes(id, false);
  });

  it('stays online where a new connection of the same client took over, and where another connection stands', async () => {
    const id = await bridge.facts.device();
    const clientId = `twice-${randomUUID()}`;
    const first = await plain(id, clientId);
    const second = await plain(id, clientId); // the broker ends the first
    const other = await plain(id);
    first.cut();
    second.cut();
    await until(
      'one connection is left',
      () => bridge.broker.connected().filter(({ identity }) => 'node' in identity && identity.node === id).length === 1,
      60_000,
    );
    // Whatever the broker told of those ends came before what this one says now.
    await heard(await plain(await bridge.facts.device()));
    expect(await isOnline(id)).toBe(true);
    other.cut();
    await becomes(id, false);
  });

  it('takes its children with it, and its next hello brings back those that it names as reachable', async () => {
    const gatewayId = await bridge.facts.device();
    const [named, unnamed] = [await bridge.facts.device(gatewayId, false), await bridge.facts.device(gatewayId, false)];
    const child = (device: string) => ({ device, slots: {}, reachable: true });
    const gateway = await plain(gatewayId);
    await gateway.ack(await gateway.hello({}, { children: [child(named), child(unnamed)] }));
    expect([await isOnline(named), await isOnline(unnamed)]).toEqual([true, true]);
    gateway.cut();
    await becomes(named, false);
    expect([await isOnline(gatewayId), await isOnline(unnamed)]).toEqual([false, false]);
    const again = await plain(gatewayId);
    await again.ack(await again.hello({}, { children: [child(named)] }));
    expect([await isOnline(gatewayId), await isOnline(named), await isOnline(unnamed)]).toEqual([true, true, false]);
  });
});

describe('A device that never comes back after the broker was started again', () => {
  /** Whatever it was asked, and did not answer, it was asked so long ago. */
  const afterMinutes = (minutes: number) => (bridge.aheadMs += minutes * 60_000);
  const askedAt = async (id: string) =>
    (
      await bridge.facts.sql<{ at: Date | null }>('SELECT hello_wanted_at AS at FROM devices WHERE id = $1', [id])
    )[0]!.at?.getTime() ?? 0;
  const isAsked = async (id: string) => (await askedAt(id)) > 0;

  it('is asked for a hello, and offline when it does not answer; one that answers stays online', async () => {
    const [lost, back] = [await bridge.facts.device(), await bridge.facts.deviceWithoutSlots()];
    await plain(lost);
    await plain(back);
    await bridge.restartBroker();
    const returned = await bridge.strange(back).connect({ will: undefined as never });
    await until('the lost one is asked', () => isAsked(lost), 90_000);
    // Also where its type has no slots.
    await returned.cmd('hello');
    await heard(returned);
    expect([await isOnline(lost), await isOnline(back)]).toEqual([true, true]);
    afterMinutes(3);
    await becomes(lost, false);
    expect(await isOnline(back)).toBe(true);
  }, 240_000);

  it('is doubted by the next bridge too, which finds a session at the broker and would not know', async () => {
    const lost = await bridge.facts.device();
    await plain(lost);
    await bridge.restartBroker();
    await until(
      'the bridge is back',
      () => bridge.broker.connected().some(({ identity }) => identity.kind === 'service'),
      60_000,
    );
    await until('the lost one is asked', () => isAsked(lost), 90_000);
    const before = await askedAt(lost);
    await bridge.stepDown();
    afterMinutes(3);
    bridge.lead();
    // What it may have answered meanwhile was not heard.
    await until('the next bridge asks it again', async () => (await askedAt(lost)) > before, 60_000);
    afterMinutes(3);
    await becomes(lost, false);
  }, 240_000);

  it('costs those that were back before the bridge no wait: each is asked, also where it counts as offline', async () => {
    const [online, offline] = [await bridge.facts.device(), await bridge.facts.device()];
    await plain(online);
    (await plain(offline)).cut();
    await becomes(offline, false);
    await bridge.stepDown();
    await bridge.restartBroker();
    // They say hello, and it is lost: there is no session yet in which it could wait.
    const early = await Promise.all(
      [online, offline].map((id) => bridge.strange(id).connect({ will: undefined as never })),
    );
    for (const device of early) await device.hello({});
    bridge.lead();
    for (const device of early) {
      await device.cmd('hello');
      await heard(device);
    }
    expect([await isOnline(online), await isOnline(offline)]).toEqual([true, true]);
  }, 240_000);
});
