import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DeviceClient, eventually } from '../contract/broker-clients.js';
import { upTopic } from '../../protocol/mqtt/topics.js';
import { TestedAllInOne } from '../support/all-in-one.js';
import { TestedMosquitto } from '../support/mosquitto.js';
import { until } from '../support/until.js';
import { FleetInFlight } from './fleet-in-flight.js';

let broker: TestedMosquitto;
let service: TestedAllInOne;
let fleet: FleetInFlight;

beforeAll(async () => {
  broker = await TestedMosquitto.start();
  service = new TestedAllInOne(undefined, {
    MQTT_URL: broker.url,
    MQTT_USERNAME: broker.service.username,
    MQTT_PASSWORD: broker.service.password,
    SLIPWAY_MQTT_ADMIN: 'dynsec',
  });
  await service.start();
  fleet = new FleetInFlight(service, 11);
  await fleet.register(['good', 'slow', 'resume', 'duplicating', 'flapping']);
}, 120_000);
afterAll(async () => {
  await fleet?.end();
  await service?.stop();
  service?.remove();
  await broker?.close();
}, 30_000);

const REFUSED = /refused|not auth|bad user/i;

describe("Slipway with Debian's mosquitto instead of its own broker", () => {
  it('starts no broker, and five devices end as installed', async () => {
    expect(service.endpoints.mqtt).toBe(broker.url);
    expect(service.processes().filter(({ command }) => command.includes('workers/broker.js'))).toEqual([]);
    expect(await fleet.faultsAtTheEnd(await fleet.schedule(), 60_000)).toEqual([]);
  }, 90_000);

  it.each([
    ['restarted', async () => broker.restart('SIGTERM')],
    ['killed and started again', async () => broker.restart('SIGKILL')],
    [
      'killed, and started again without what it had retained and queued',
      async () => {
        await broker.stop();
        broker.forget('messages');
        await broker.start();
      },
    ],
    [
      'killed, and started again without its logins',
      async () => {
        await broker.stop();
        broker.forget('logins');
        await broker.start();
      },
    ],
  ])(
    'loses nothing when mosquitto is %s in the middle',
    async (_how, mishap) => {
      const wave = await fleet.schedule();
      await fleet.inFlight(wave, 0.5);
      await mishap();
      expect(await fleet.faultsAtTheEnd(wave, 60_000)).toEqual([]);
    },
    120_000,
  );

  it("lets a device in within 5 s of its password's making, and cuts it off within 5 s of its revocation", async () => {
    const { operator } = service;
    const deviceTypeId = await operator.deviceType({ name: 'lamp', slots: { firmware: { name: 'Firmware' } } });
    const id = await operator.device({ name: 'lamp 1', deviceTypeId });
    const login = await operator.password(id);
    const client = await until('it is let in', () => DeviceClient.connect(broker.url, login), 5_000);
    await client.publish(
      upTopic({ tenant: 'default', node: id, device: id }, 'presence'),
      JSON.stringify({ v: 1, online: true, session: 's-1' }),
      { retain: true },
    );
    await until(
      'it is shown online',
      async () => (await operator.call<{ online: boolean }>('GET', `/v1/devices/${id}`)).online,
    );
    await operator.call('DELETE', `/v1/devices/${id}/credentials/${login.id}`);
    await eventually('it is cut off', () => client.closed, 5_000);
    await expect(DeviceClient.connect(broker.url, login)).rejects.toThrow(REFUSED);
    await until(
      'it is shown offline',
      async () => !(await operator.call<{ online: boolean }>('GET', `/v1/devices/${id}`)).online,
      5_000,
    );
  });

  it('is not disturbed by a device that uses the client id of a bridge', async () => {
    const { operator } = service;
    const deviceTypeId = await operator.deviceType({ name: 'thief', slots: { firmware: { name: 'Firmware' } } });
    const login = await operator.password(await operator.device({ name: 'thief', deviceTypeId }));
    const thief = await until(
      'it is let in',
      () => DeviceClient.connect(broker.url, login, { clientId: 'slipway-bridge', clean: false }),
      5_000,
    );
    try {
      expect(await fleet.faultsAtTheEnd(await fleet.schedule(), 60_000)).toEqual([]);
      expect(thief.closed).toBe(false);
    } finally {
      await thief.end();
    }
  }, 90_000);
});
