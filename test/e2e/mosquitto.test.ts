import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DeviceClient, eventually } from '../contract/broker-clients.js';
import { deviceFilter, upTopic } from '../../protocol/mqtt/topics.js';
import { outsideBroker } from '../outside/settings.js';
import { TestedAllInOne } from '../support/all-in-one.js';
import { TestedMosquitto } from '../support/mosquitto.js';
import { until } from '../support/until.js';
import { FleetInFlight } from './fleet-in-flight.js';

let broker: TestedMosquitto;
let service: TestedAllInOne;
let fleet: FleetInFlight;

beforeAll(async () => {
  broker = await TestedMosquitto.start();
  service = new TestedAllInOne(undefined, outsideBroker(broker));
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

  it('greets every device again after a kill that took the session of the bridge, also those that do not repeat', async () => {
    const { operator } = service;
    const deviceTypeId = await operator.deviceType({ name: 'sensor', slots: {} });
    const devices = await Promise.all(
      Array.from({ length: 30 }, async (_, n) => {
        const id = await operator.device({ name: `sensor ${n}`, deviceTypeId });
        return { id, login: await operator.password(id) };
      }),
    );
    /** Says hello once, and again for each time that it is asked. Resolves with its receipt. */
    const greets = async ({ id, login }: (typeof devices)[number]): Promise<DeviceClient> => {
      const client = await until(
        'it is let in',
        () => DeviceClient.connect(broker.url, login).catch(() => undefined),
        60_000,
      );
      await client.subscribe(deviceFilter('default', id));
      const own = { tenant: 'default', node: id, device: id };
      const said = new Set<string>();
      const hello = async () => {
        const msgId = randomUUID();
        said.add(msgId);
        const body = { v: 1, msgId, agent: { name: 'by hand', version: '1' }, slots: {} };
        await client.publish(upTopic(own, 'hello'), JSON.stringify(body));
      };
      await hello();
      await until(
        `${id} is greeted`,
        async () => {
          if (client.texts().filter((text) => text.includes('"cmd":"hello"')).length >= said.size) await hello();
          return client.texts().some((text) => [...said].some((msgId) => text.includes(msgId)));
        },
        60_000,
      );
      return client;
    };
    const before = await Promise.all(devices.map(greets));
    await broker.stop();
    broker.forget('messages');
    await broker.start();
    await eventually('all connections are gone', () => before.every(({ closed }) => closed));
    const after = await Promise.all(devices.map(greets));
    await Promise.all(after.map((client) => client.end()));
  }, 180_000);

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
