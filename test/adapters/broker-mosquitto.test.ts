import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { initialSecurity } from '../../adapters/broker/mosquitto.js';
import { mosquittoAdmin } from '../../adapters/broker/mosquitto-admin.js';
import { MosquittoControl } from '../../adapters/broker/mosquitto-control.js';
import type { BrokerAdmin, ValidPassword, WantedLogin } from '../../adapters/broker/port.js';
import { cmdTopic, desiredTopic, deviceFilter, SERVICE_FILTER, upTopic } from '../../protocol/mqtt/topics.js';
import { DeviceClient, eventually, ServiceClient } from '../contract/broker-clients.js';
import { TestedMosquitto } from '../support/mosquitto.js';

let broker: TestedMosquitto;
let admin: BrokerAdmin;
let open: { end(): Promise<void> }[] = [];
let node = '';

beforeAll(async () => void (broker = await TestedMosquitto.start()));
afterAll(() => broker.close());
beforeEach(() => {
  node = randomUUID();
  admin = mosquittoAdmin(broker.url, async () => ({ ...broker.service, clientId: 'administrator' }));
});
afterEach(async () => {
  await Promise.all([...open.map((one) => one.end()), admin.close()]);
  open = [];
});

const password = (text: string): ValidPassword => ({ id: `id of ${text}`, reveal: () => text });
/** One whose credential is known, and whose text is not. */
const forgotten = (text: string): ValidPassword => ({ id: `id of ${text}`, reveal: () => undefined });
const wanted = (valid: readonly ValidPassword[], known = true): WantedLogin => ({ tenant: 'acme', node, valid, known });
const tell = async (valid: readonly ValidPassword[], known = true) =>
  (await admin.bringUpToDate([wanted(valid, known)]))[0];
async function device(secret: string, options = {}): Promise<DeviceClient> {
  const client = await DeviceClient.connect(broker.url, { username: `acme/${node}`, password: secret }, options);
  open.push(client);
  return client;
}
async function service(options: Parameters<typeof ServiceClient.connect>[2] = {}): Promise<ServiceClient> {
  const client = await ServiceClient.connect(broker.url, broker.service, options);
  open.push(client);
  await client.connection.subscribe([{ filter: SERVICE_FILTER, qos: 1 }]);
  return client;
}
const REFUSED = /refused|not auth|bad user/i;
const self = () => ({ tenant: 'acme', node, device: node });
const heardBy = (client: ServiceClient) =>
  client.heard.filter((message) => message.topic.includes(node)).map((message) => message.payload.toString());

describe('A password at mosquitto', () => {
  it('is made and revoked through the dynamic security plugin without a restart; its clients are disconnected', async () => {
    await expect(device('first')).rejects.toThrow(REFUSED);
    expect(await tell([password('first')])).toBe('admitted');
    const client = await device('first');
    expect(await tell([])).toBe('shut_out');
    await eventually('it is cut off', () => client.closed);
    await expect(device('first')).rejects.toThrow(REFUSED);
    expect(await tell([password('next')])).toBe('admitted');
    await device('next');
  });

  it('that is sent again disconnects no client', async () => {
    await tell([password('first')]);
    const client = await device('first');
    for (let n = 0; n < 3; n += 1) expect(await tell([forgotten('first')])).toBe('unchanged');
    await client.publish(upTopic(self(), 'status'), 'still here');
    expect(client.closed).toBe(false);
  });

  it('stays in force while a second one is valid, which takes over when the first is revoked: the plugin knows one of a name', async () => {
    await tell([password('first')]);
    const client = await device('first');
    expect(await tell([password('first'), password('second')])).toBe('unchanged');
    expect(client.closed).toBe(false);
    await expect(device('second')).rejects.toThrow(REFUSED);
    expect(await tell([password('second')])).toBe('admitted');
    await eventually('it is cut off', () => client.closed);
    await expect(device('first')).rejects.toThrow(REFUSED);
    await device('second');
  });

  it('that cannot be decrypted admits no client, and earlier revoked passwords stay revoked', async () => {
    expect(await tell([forgotten('first')])).toBe('unknown');
    await tell([password('first')]);
    expect(await tell([forgotten('second')])).toBe('unknown');
    await expect(device('first')).rejects.toThrow(REFUSED);
    expect(await tell([forgotten('second'), password('third')])).toBe('admitted');
    await device('third');
  });

  it('goes with its device: neither its name nor its role is left', async () => {
    await tell([password('first')]);
    expect(await admin.nodes()).toContainEqual({ tenant: 'acme', node });
    expect(await tell([], false)).toBe('shut_out');
    expect(await tell([], false)).toBe('unchanged');
    expect(await admin.nodes()).not.toContainEqual({ tenant: 'acme', node });
    expect(await tell([password('again')])).toBe('admitted');
    await device('again');
  });

  it('goes with all that its device has retained, also under children that it made up, and with nothing of others', async () => {
    const retained = { qos: 1, retain: true } as const;
    const [gone, other] = [node, randomUUID()];
    await tell([password('first')]);
    const liar = await device('first');
    const madeUp = Array.from({ length: 300 }, (_, n) =>
      upTopic({ tenant: 'acme', node: gone, device: `child-${n}` }, 'log'),
    );
    for (const topic of [...madeUp, upTopic(self(), 'presence')]) await liar.publish(topic, 'kept', retained);
    node = other;
    await tell([password('other')]);
    await (await device('other')).publish(upTopic(self(), 'presence'), 'of another', retained);
    node = gone;
    // Also where its password was revoked before.
    expect(await tell([])).toBe('shut_out');
    expect(await tell([], false)).toBe('shut_out');
    await eventually('it is cut off', () => liar.closed);
    const later = await service();
    await eventually('what is retained has come', () => later.texts().includes('of another'));
    await later.connection.subscribe([{ filter: deviceFilter('acme', gone), qos: 1 }]);
    expect(heardBy(later)).toEqual([]);
    expect(await admin.nodes()).not.toContainEqual({ tenant: 'acme', node: gone });
  });

  it('gets the current rights, independently of the earlier rights of its name', async () => {
    await tell([password('first')]);
    const control = new MosquittoControl(broker.url, async () => ({
      ...broker.service,
      clientId: 'another administrator',
    }));
    await control.ask([
      {
        command: 'modifyRole',
        rolename: `acme/${node}`,
        acls: [{ acltype: 'publishClientSend', topic: '#', priority: 0, allow: true }],
      },
    ]);
    const bridge = await service();
    const client = await device('first');
    await client.publish(upTopic({ ...self(), node: 'other', device: node }, 'status'), 'forged with old rights');
    await eventually('they were too wide', () => heardBy(bridge).length === 1);
    expect(await tell([forgotten('first')])).toBe('unchanged');
    await client.publish(upTopic({ ...self(), node: 'other', device: node }, 'status'), 'forged again');
    await client.publish(upTopic(self(), 'status'), 'true');
    await eventually('the true one arrives', () => heardBy(bridge).includes('true'));
    expect(heardBy(bridge)).toEqual(['forged with old rights', 'true']);
    await control.close();
  });

  it('of each of 150 devices is sent in one batch, over the limit of one packet', async () => {
    const logins = Array.from({ length: 150 }, (_, n) => ({
      tenant: 'logins',
      node: `${node}-${n}`,
      known: true,
      valid: [password(`p${n}`)],
    }));
    expect(new Set(await admin.bringUpToDate(logins))).toEqual(new Set(['admitted']));
    expect((await admin.nodes()).filter(({ tenant }) => tenant === 'logins')).toHaveLength(150);
    await admin.bringUpToDate(logins.map((one) => ({ ...one, known: false, valid: [] })));
    expect((await admin.nodes()).filter(({ tenant }) => tenant === 'logins')).toHaveLength(0);
  });

  it('cannot be sent while mosquitto is away; the next attempt sends it', async () => {
    await tell([password('first')]);
    await broker.stop();
    await expect(tell([])).rejects.toThrow(/dynamic security plugin/);
    await broker.start();
    expect(await tell([])).toBe('shut_out');
  });

  it('cannot be sent by a client without administrator rights', async () => {
    await tell([password('first')]);
    const client = await device('first');
    await client.subscribe('$CONTROL/#');
    await client.publish(
      '$CONTROL/dynamic-security/v1',
      JSON.stringify({ commands: [{ command: 'deleteClient', username: broker.service.username }] }),
    );
    await service();
    expect(client.texts()).toEqual([]);
  });

  it('of the service needs a name that no device can have', () => {
    expect(() => initialSecurity({ username: 'acme/bridge', password: 'x' })).toThrow(
      /cannot be called "acme\/bridge"/,
    );
  });
});

describe('mosquitto killed with SIGKILL', () => {
  it("has its documents, its logins, the bridge's session and what was queued for it when it last saved", async () => {
    await tell([password('first')]);
    const before = await service({ clientId: `bridge-${node}`, clean: false });
    await before.connection.publish(desiredTopic(self(), 'firmware'), 'document', { qos: 1, retain: true });
    await before.end();
    const client = await device('first');
    for (let n = 0; n < 50; n += 1) await client.publish(upTopic(self(), 'status'), `${node} report ${n}`);
    await broker.save(`${node} report 49`);
    await broker.restart('SIGKILL');
    const after = await service({ clientId: `bridge-${node}`, clean: false });
    expect(after.connection.sessionPresent).toBe(true);
    await eventually('all arrive', () => heardBy(after).length === 50);
    const again = await device('first');
    await again.subscribe(deviceFilter('acme', node));
    await eventually('the document is there', () => again.texts().includes('document'));
  });

  it('before it has saved is honest about it: the session of the bridge is gone', async () => {
    const before = await service({ clientId: `unsaved-${node}`, clean: false });
    await before.end();
    await broker.restart('SIGKILL');
    const after = await service({ clientId: `unsaved-${node}`, clean: false });
    expect(after.connection.sessionPresent).toBe(false);
  });

  it('that lost its logins gets them again, with the same rights', async () => {
    await tell([password('first')]);
    await broker.stop();
    broker.forget('logins');
    await broker.start();
    await expect(device('first')).rejects.toThrow(REFUSED);
    expect(await admin.nodes()).toEqual([]);
    expect(await tell([password('first')])).toBe('admitted');
    await device('first');
  });
});

describe('Client ids at mosquitto', () => {
  it("a device that knows the id of another can end its connection, but receives none of its messages; the bridge's id is secret", async () => {
    await tell([password('first')]);
    const clientId = `bridge-${node}`;
    const bridge = await service({ clientId, clean: false, acknowledges: false });
    const honest = await device('first');
    await honest.publish(upTopic(self(), 'status'), 'for the bridge only');
    await eventually('it is delivered, and not acknowledged', () => heardBy(bridge).length === 1);
    const thief = await device('first', { clientId, clean: false });
    await eventually('the bridge is cut off', () => bridge.ended !== 'open');
    const other = await service();
    await other.connection.publish(cmdTopic(self()), 'marker', { qos: 1, retain: false });
    await honest.publish(upTopic(self(), 'status'), 'another');
    await eventually('it arrives where it may', () => heardBy(other).includes('another'));
    expect(thief.texts()).toEqual([]);
  });
});
