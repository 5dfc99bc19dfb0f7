import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { IClientOptions } from 'mqtt';
import { ackTopic, cmdTopic, desiredTopic, deviceFilter, SERVICE_FILTER, upTopic } from '../../protocol/mqtt/topics.js';
import { DeviceClient, eventually, ServiceClient, type BrokerUnderTest, type Login } from './broker-clients.js';

/**
 * What Slipway asks of a broker, tested by what is delivered: PUBACK and SUBACK prove nothing
 * (docs/contracts/device-mqtt.md, "Facts that decided it").
 */
export function brokerContract(name: string, start: () => Promise<BrokerUnderTest>): void {
  describe(name, () => {
    let broker: BrokerUnderTest;
    let open: { end(): Promise<void> }[] = [];
    let nth = 0;
    /** Each test has a tenant of its own, so that nothing that one retains reaches another. */
    let tenant = '';

    beforeAll(async () => void (broker = await start()));
    afterAll(() => broker.close());
    afterEach(async () => {
      const clients = open;
      open = [];
      await Promise.all(clients.map((client) => client.end()));
    });

    async function device(node: string, options: IClientOptions = {}, login?: Login): Promise<DeviceClient> {
      const client = await DeviceClient.connect(broker.url, login ?? (await broker.device(tenant, node)), options);
      open.push(client);
      return client;
    }
    async function service(
      options: Parameters<typeof ServiceClient.connect>[2] & { filter?: string } = {},
    ): Promise<ServiceClient> {
      const client = await ServiceClient.connect(broker.url, broker.service, options);
      open.push(client);
      await client.connection.subscribe([{ filter: options.filter ?? SERVICE_FILTER, qos: 1 }]);
      return client;
    }
    const of = (node: string, child = node) => ({ tenant, node, device: child });
    const toDevice = { qos: 1, retain: false } as const;
    /** Only this test's messages: another's last will may come late. */
    const heardBy = (client: ServiceClient) =>
      client.heard
        .filter((message) => message.topic.split('/')[2] === tenant)
        .map((message) => message.payload.toString());
    const story = (title: string, tell: () => Promise<void>) =>
      it(title, async () => {
        tenant = `t-${process.pid}-${++nth}`;
        await tell();
      });

    describe('lets in', () => {
      story('no client with a wrong password, an unknown name, or none', async () => {
        const login = await broker.device(tenant, 'gw');
        for (const wrong of [
          { ...login, password: 'x' },
          { ...login, username: `${tenant}/other` },
          { ...login, username: 'gw' },
          { username: broker.service.username, password: login.password },
          {},
          { username: login.username },
        ]) {
          await expect(DeviceClient.connect(broker.url, wrong)).rejects.toThrow(/refused|not auth|bad user/i);
        }
      });

      story('several connections of one device, and each receives what is sent to it', async () => {
        const login = await broker.device(tenant, 'gw');
        const both = [await device('gw', { clientId: 'one' }, login), await device('gw', { clientId: 'two' }, login)];
        const bridge = await service();
        for (const one of both) await one.subscribe(deviceFilter(tenant, 'gw'));
        await bridge.connection.publish(cmdTopic(of('gw')), 'hello', toDevice);
        for (const one of both) await eventually('both hear it', () => one.texts().includes('hello'));
      });

      story(
        'no longer a device whose password is revoked: it is cut off within 5 s and does not come back',
        async () => {
          const login = await broker.device(tenant, 'gw');
          const gw = await device('gw', {}, login);
          const other = await device('other');
          await broker.revoke(login);
          await eventually('it is cut off', () => gw.closed, 5_000);
          await expect(DeviceClient.connect(broker.url, login)).rejects.toThrow(/refused|not auth|bad user/i);
          expect(other.closed).toBe(false);
        },
      );
    });

    describe('delivers to the service', () => {
      story('what a device says of itself and of its children', async () => {
        const bridge = await service();
        const gw = await device('gw');
        for (const type of ['hello', 'status', 'progress', 'log', 'presence'] as const)
          await gw.publish(upTopic(of('gw'), type), `own ${type}`);
        for (const type of ['hello', 'status', 'progress', 'log'] as const)
          await gw.publish(upTopic(of('gw', 'lamp'), type), `child ${type}`);
        await eventually('all arrive', () => heardBy(bridge).length === 9);
        expect(heardBy(bridge).sort()).toEqual([
          'child hello',
          'child log',
          'child progress',
          'child status',
          'own hello',
          'own log',
          'own presence',
          'own progress',
          'own status',
        ]);
      });

      story(
        'nothing that a device says in the name of others, though it gets its PUBACK and stays connected',
        async () => {
          const everything = await service({ filter: 'slipway/v1/#' });
          const [gw, victim] = [await device('gw'), await device('victim')];
          await victim.subscribe(deviceFilter(tenant, 'victim'));
          const foreign = [
            upTopic(of('victim'), 'status'),
            upTopic(of('victim', 'gw'), 'status'),
            upTopic({ ...of('gw'), tenant: `${tenant}x` }, 'status'),
            upTopic(of('gw', 'lamp'), 'presence'),
            cmdTopic(of('victim')),
            cmdTopic(of('gw')),
            desiredTopic(of('victim'), 'firmware'),
            `slipway/v1/${tenant}/gw`,
            'elsewhere',
            `slipway/v2/${tenant}/gw/gw/up/status`,
          ];
          for (const topic of foreign) await gw.publish(topic, 'forged', { retain: topic.endsWith('firmware') });
          await gw.publish(upTopic(of('gw'), 'status'), 'true');
          await eventually('the true one arrives', () => heardBy(everything).includes('true'));
          await everything.connection.publish(cmdTopic(of('victim')), 'real', toDevice);
          await eventually('the victim hears the service', () => victim.texts().includes('real'));
          expect(everything.texts()).not.toContain('forged');
          expect(victim.texts()).toEqual(['real']);
          expect(gw.closed).toBe(false);
        },
      );

      story('messages of QoS 0 and 2 as well, at no more than QoS 1', async () => {
        const bridge = await service();
        const gw = await device('gw');
        await gw.publish(upTopic(of('gw'), 'progress'), 'zero', { qos: 0 });
        await gw.publish(upTopic(of('gw'), 'status'), 'two', { qos: 2 });
        await eventually('both arrive', () => heardBy(bridge).length === 2);
        expect(bridge.heard.filter((message) => message.topic.includes(tenant)).map((message) => message.qos)).toEqual([
          0, 1,
        ]);
        expect(bridge.ended).toBe('open');
      });

      story('every message of a burst, and those of one topic in their order', async () => {
        const bridge = await service();
        const devices = await Promise.all(
          ['a', 'b', 'c', 'd', 'e'].map(async (node) => ({ node, client: await device(node) })),
        );
        const sent = devices.flatMap(({ node, client }) =>
          Array.from({ length: 200 }, (_, n) => {
            void client.client.publishAsync(upTopic(of(node), 'progress'), 'lossy', { qos: 0 });
            return client.publish(upTopic(of(node), 'status'), `${node} ${n}`, {});
          }),
        );
        await Promise.all(sent);
        const reliable = () => heardBy(bridge).filter((text) => text !== 'lossy');
        await eventually('all arrive', () => reliable().length === 1_000, 20_000);
        for (const { node } of devices)
          expect(reliable().filter((text) => text.startsWith(node))).toEqual(
            Array.from({ length: 200 }, (_, n) => `${node} ${n}`),
          );
      });

      story('a last will of the device itself when its connection breaks, and none in the name of others', async () => {
        const bridge = await service();
        const will = (topic: string) => ({
          will: { topic, payload: Buffer.from(topic), qos: 1 as const, retain: true },
        });
        const [gw, liar, boaster, polite] = [
          await device('gw', will(upTopic(of('gw'), 'presence'))),
          await device('liar', will(upTopic(of('gw'), 'status'))),
          await device('boaster', will(desiredTopic(of('gw'), 'firmware'))),
          await device('polite', will(upTopic(of('polite'), 'presence'))),
        ];
        await polite.leave();
        for (const one of [liar, boaster]) one.cut();
        await eventually('they are gone', () => liar.closed && boaster.closed);
        gw.cut();
        await eventually('the will arrives', () => heardBy(bridge).length > 0);
        const listener = await device('gw');
        await listener.subscribe(deviceFilter(tenant, 'gw'));
        await bridge.connection.publish(ackTopic(of('gw')), 'end', toDevice);
        await eventually('the marker arrives', () => listener.texts().includes('end'));
        expect(heardBy(bridge)).toEqual([upTopic(of('gw'), 'presence')]);
        expect(listener.texts()).toEqual(['end']);
      });

      story('a retained presence to a service that subscribes later', async () => {
        const gw = await device('gw');
        await gw.publish(upTopic(of('gw'), 'presence'), 'online', { retain: true });
        const bridge = await service();
        await eventually('it arrives', () => heardBy(bridge).includes('online'));
        expect(bridge.heard.find((message) => message.topic.includes(tenant))?.retain).toBe(true);
      });
    });

    describe('delivers to a device', () => {
      story('only what is sent to it and its children, for any subscription', async () => {
        const bridge = await service();
        const [gw, other] = [await device('gw'), await device('other')];
        await bridge.connection.publish(desiredTopic(of('other'), 'firmware'), 'secret document', {
          qos: 1,
          retain: true,
        });
        const wide = [
          '#',
          '+/#',
          'slipway/#',
          'slipway/v1/#',
          `slipway/v1/${tenant}/#`,
          `slipway/v1/${tenant}/+/+/down/#`,
          deviceFilter(tenant, 'other'),
          SERVICE_FILTER,
          `slipway/v1/${tenant}/gw/#`,
          '$SYS/#',
          `$share/g/slipway/v1/${tenant}/+/+/down/#`,
        ];
        for (const filter of wide) await gw.subscribe(filter);
        expect([0, 1]).toContain(await gw.subscribe(deviceFilter(tenant, 'gw')));
        await other.subscribe(deviceFilter(tenant, 'other'));
        await other.publish(upTopic(of('other'), 'status'), 'report');
        await gw.publish(upTopic(of('gw'), 'status'), 'own report');
        await eventually('the service hears them', () => heardBy(bridge).length === 2);
        await bridge.connection.publish(cmdTopic(of('other')), 'secret command', toDevice);
        await eventually('the other hears it', () => other.texts().length === 2);
        for (const child of ['gw', 'lamp'])
          await bridge.connection.publish(cmdTopic(of('gw', child)), `for ${child}`, toDevice);
        await eventually('it hears its own', () => gw.heard.length >= 2);
        expect(gw.texts()).toEqual(['for gw', 'for lamp']);
      });

      story('documents that were published before it came, each as it is now, until they are cleared', async () => {
        const bridge = await service();
        const retained = { qos: 1, retain: true } as const;
        await bridge.connection.publish(desiredTopic(of('gw'), 'firmware'), 'old', retained);
        await bridge.connection.publish(desiredTopic(of('gw'), 'firmware'), 'new', retained);
        await bridge.connection.publish(desiredTopic(of('gw', 'lamp'), 'boot'), 'for the child', retained);
        await bridge.connection.publish(desiredTopic(of('gw'), 'gone'), 'withdrawn', retained);
        await bridge.connection.publish(desiredTopic(of('gw'), 'gone'), '', retained);
        const gw = await device('gw');
        await gw.subscribe(deviceFilter(tenant, 'gw'));
        await eventually('both arrive', () => gw.heard.length >= 2);
        await bridge.connection.publish(desiredTopic(of('gw'), 'firmware'), '', retained);
        await eventually('it hears of the clearing', () => gw.texts().includes(''));
        expect(
          gw.heard
            .slice(0, 2)
            .map(({ text, retain }) => ({ text, retain }))
            .sort((a, b) => (a.text < b.text ? -1 : 1)),
        ).toEqual([
          { text: 'for the child', retain: true },
          { text: 'new', retain: true },
        ]);
        const later = await device('gw');
        await later.subscribe(deviceFilter(tenant, 'gw'));
        await eventually("the child's is left", () => later.heard.length > 0);
        await bridge.connection.publish(cmdTopic(of('gw')), 'end', toDevice);
        await eventually('the marker arrives', () => later.texts().includes('end'));
        expect(later.texts()).toEqual(['for the child', 'end']);
      });

      story('nothing that the service may not say', async () => {
        const bridge = await service();
        await bridge.connection.publish(upTopic(of('gw'), 'status'), 'forged', toDevice);
        const gw = await device('gw');
        await gw.publish(upTopic(of('gw'), 'status'), 'true');
        await eventually('the true one arrives', () => heardBy(bridge).includes('true'));
        expect(heardBy(bridge)).toEqual(['true']);
      });
    });

    describe('keeps the session of the bridge', () => {
      const bridge = (acknowledges = true) => service({ clientId: 'slipway-bridge', clean: false, acknowledges });
      /** A session of an earlier test must not speak into this one. */
      beforeAll(async () => {
        const fresh = await ServiceClient.connect(broker.url, broker.service, { clientId: 'slipway-bridge' });
        await fresh.end();
      });

      story('and ends the older connection when a newer one takes it over', async () => {
        const old = await bridge();
        const next = await bridge();
        await eventually('the old one is cut off', () => old.ended !== 'open');
        expect(old.ended).toBeInstanceOf(Error);
        await expect(old.connection.publish(cmdTopic(of('gw')), 'stale', toDevice)).rejects.toThrow(/closed/);
        const gw = await device('gw');
        await gw.publish(upTopic(of('gw'), 'status'), 'report');
        await eventually('the new one hears', () => heardBy(next).includes('report'));
        expect(next.connection.sessionPresent).toBe(true);
      });

      story('with what came at QoS 1 while it was away', async () => {
        const before = await bridge();
        await before.end();
        const gw = await device('gw');
        for (let n = 0; n < 50; n += 1) await gw.publish(upTopic(of('gw'), 'status'), `report ${n}`);
        const after = await bridge();
        expect(after.connection.sessionPresent).toBe(true);
        await eventually('all arrive', () => heardBy(after).length >= 50);
        expect(heardBy(after)).toEqual(Array.from({ length: 50 }, (_, n) => `report ${n}`));
      });

      story('with unacknowledged messages only, for any order of acknowledgements', async () => {
        const before = await bridge(false);
        const gw = await device('gw');
        for (let n = 0; n < 5; n += 1) await gw.publish(upTopic(of('gw'), 'status'), `${n}`);
        await eventually('all arrive', () => heardBy(before).length === 5);
        const acknowledge = (text: string) =>
          before.heard
            .find((message) => message.payload.toString() === text && message.topic.includes(tenant))
            ?.acknowledge();
        // 3 must wait for 2: PUBACKs leave in the order of arrival. What earlier tests retained came first of all.
        for (const message of before.heard) if (!message.topic.includes(tenant)) message.acknowledge();
        for (const text of ['1', '0', '3']) acknowledge(text);
        await before.end();
        const after = await bridge();
        await eventually('the rest comes again', () => heardBy(after).length >= 3);
        await gw.publish(upTopic(of('gw'), 'status'), 'end');
        await eventually('the marker arrives', () => heardBy(after).includes('end'));
        expect(heardBy(after).sort()).toEqual(['2', '3', '4', 'end']);
      });

      story('also where acknowledgements leave before that of a message that was passed over', async () => {
        const before = await bridge(false);
        const gw = await device('gw');
        for (const n of ['0', '1', '2']) await gw.publish(upTopic(of('gw'), 'status'), n);
        await eventually('all arrive', () => heardBy(before).length === 3);
        before.heard.find((one) => one.topic.includes(tenant))?.passOver();
        for (const one of before.heard) if (one.payload.toString() !== '0') one.acknowledge();
        await before.end();
        const after = await bridge();
        await gw.publish(upTopic(of('gw'), 'status'), 'end');
        await eventually('the marker arrives', () => heardBy(after).includes('end'));
        expect(heardBy(after)).toEqual(['0', 'end']);
      });
    });

    describe('after a restart', () => {
      story(
        'has the session, what it acknowledged to devices, what the service had not acknowledged, and the documents; or informs the bridge that it has lost them all',
        async () => {
          const before = await service({ clientId: 'slipway-bridge', clean: false, acknowledges: false });
          const gw = await device('gw');
          await before.connection.publish(desiredTopic(of('gw'), 'firmware'), 'document', { qos: 1, retain: true });
          for (let n = 0; n < 3; n += 1) await gw.publish(upTopic(of('gw'), 'status'), `report ${n}`);
          await eventually('they are delivered, and not yet committed', () => heardBy(before).length === 3);
          await broker.restart();
          await eventually('everyone lost the connection', () => gw.closed && before.ended !== 'open');
          const after = await ServiceClient.connect(broker.url, broker.service, {
            clientId: 'slipway-bridge',
            clean: false,
          });
          open.push(after);
          expect(after.connection.sessionPresent).toBe(broker.keepsOverRestart);
          if (broker.keepsOverRestart)
            await eventually('what was not committed comes again', () => heardBy(after).length === 3);
          else await after.connection.publish(desiredTopic(of('gw'), 'firmware'), 'document', { qos: 1, retain: true });
          const again = await device('gw');
          await again.subscribe(deviceFilter(tenant, 'gw'));
          await eventually('the document is there', () => again.texts().includes('document'));
        },
      );

      story('admits the same clients as before, with the same rights, and no others', async () => {
        const [login, gone] = [await broker.device(tenant, 'gw'), await broker.device(tenant, 'gone')];
        await broker.revoke(gone);
        await broker.restart();
        const bridge = await service();
        const gw = await device('gw', {}, login);
        await gw.publish(upTopic(of('other'), 'status'), 'forged');
        await gw.publish(upTopic(of('gw'), 'status'), 'true');
        await eventually('it arrives', () => heardBy(bridge).includes('true'));
        expect(heardBy(bridge)).toEqual(['true']);
        await expect(DeviceClient.connect(broker.url, gone)).rejects.toThrow(/refused|not auth|bad user/i);
      });
    });

    describe('stays up', () => {
      story('when a client sends a packet that is too large: nothing of it arrives', async () => {
        const bridge = await service();
        const [gw, other] = [await device('gw'), await device('other')];
        gw.client.publish(upTopic(of('gw'), 'status'), Buffer.alloc(1024 * 1024, 0x78), { qos: 1 });
        await eventually('it is cut off', () => gw.closed);
        await other.publish(upTopic(of('other'), 'status'), 'still there');
        await eventually('others go on', () => heardBy(bridge).length > 0);
        expect(heardBy(bridge)).toEqual(['still there']);
      });
    });
  });
}
