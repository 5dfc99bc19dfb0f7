import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import pino from 'pino';
import { mosquittoAdmin } from '../../adapters/broker/mosquitto-admin.js';
import { LoginSender, type Administration } from '../../bridge/outbound/send-credentials.js';
import { upTopic } from '../../protocol/mqtt/topics.js';
import { createCredential, revokeCredential } from '../../store/commands/credentials.js';
import { deleteDevice } from '../../store/commands/delete-device.js';
import { holdLease, type Fence } from '../../store/db/leases.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { privateKeyOf, publicKeyOf, seal, unseal } from '../../store/fleet/sealed-passwords.js';
import { publishSeal } from '../../store/commands/logins.js';
import { asTenant } from '../../store/db/transaction.js';
import { DeviceClient, eventually } from '../contract/broker-clients.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';
import { TestedMosquitto } from '../support/mosquitto.js';
import { until } from '../support/until.js';

let database: TestDatabase;
let pool: Pool;
let facts: Facts;
let broker: TestedMosquitto;
let administration: Administration;
let fence: Fence;
let sender: LoginSender;
let clients: DeviceClient[] = [];
const logged: { msg: string; deviceId?: string }[] = [];
const log = pino({ level: 'info' }, { write: (line: string) => void logged.push(JSON.parse(line)) });

beforeAll(async () => {
  broker = await TestedMosquitto.start();
  database = await createTestDatabase('send_credentials');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool, 'acme').begin();
  const privateKey = privateKeyOf(broker.service.password);
  administration = {
    privateKey,
    open: () => mosquittoAdmin(broker.url, async () => ({ ...broker.service, clientId: 'administrator' })),
  };
});
afterAll(async () => {
  await pool.end();
  await database.drop();
  await broker.close();
});
beforeEach(async () => {
  fence = { name: 'bridge', holder: randomUUID(), epoch: 0 };
  await facts.sql('DELETE FROM leases');
  fence.epoch = (await holdLease(pool, fence.name, fence.holder, 600_000))!;
  await publishSeal(pool, publicKeyOf(administration.privateKey));
  sender = new LoginSender({ pool, fence, log, now: Date.now }, administration);
});
afterEach(async () => {
  await Promise.all(clients.map((client) => client.end()));
  clients = [];
  await sender.end();
});

const make = async (deviceId: string) => {
  const { secret: password, ...made } = await asTenant(pool, 'acme', (tx) => createCredential(tx, 'acme', deviceId));
  return { password, ...made };
};
const revoke = (deviceId: string, id: string) =>
  asTenant(pool, 'acme', (tx) => revokeCredential(tx, 'acme', deviceId, id));
const send = async () => {
  while (await sender.send());
};
async function connect(login: { username: string; password: string }): Promise<DeviceClient> {
  const client = await DeviceClient.connect(broker.url, login);
  clients.push(client);
  return client;
}
const REFUSED = /refused|not auth|bad user/i;
const online = async (deviceId: string) =>
  (await facts.sql<{ online: boolean }>('SELECT online FROM devices WHERE id = $1', [deviceId]))[0]?.online;
const waiting = async () =>
  Number((await facts.sql<{ n: string }>(`SELECT count(*) AS n FROM outbox WHERE receiver = 'credential'`))[0]!.n);

describe('A password of a device at an outside broker', () => {
  it('lets it in once the mark was sent, and no longer once its revocation was: then the device is shown offline', async () => {
    const device = await facts.device(undefined, false);
    const login = await make(device);
    await expect(connect(login)).rejects.toThrow(REFUSED);
    await send();
    const client = await connect(login);
    await facts.sql(`UPDATE devices SET online = true, session = 's-1' WHERE id = $1`, [device]);
    await revoke(device, login.id);
    await send();
    await eventually('it is cut off', () => client.closed);
    await expect(connect(login)).rejects.toThrow(REFUSED);
    expect(await online(device)).toBe(false);
    expect(await waiting()).toBe(0);
  });

  it('waits its turn while an older one is valid, and takes over when that is revoked', async () => {
    const device = await facts.device(undefined, false);
    const first = await make(device);
    await send();
    const client = await connect(first);
    const second = await make(device);
    await send();
    await expect(connect(second)).rejects.toThrow(REFUSED);
    await client.publish(upTopic({ tenant: 'acme', node: device, device }, 'status'), 'still here');
    expect(client.closed).toBe(false);
    await revoke(device, first.id);
    await send();
    await eventually('it is cut off', () => client.closed);
    await connect(second);
    await expect(connect(first)).rejects.toThrow(REFUSED);
  });

  it('goes with its device', async () => {
    const device = await facts.device(undefined, false);
    const login = await make(device);
    await send();
    const client = await connect(login);
    await asTenant(pool, 'acme', (tx) => deleteDevice(tx, 'acme', device, false, Date.now()));
    await send();
    await eventually('it is cut off', () => client.closed);
    await expect(connect(login)).rejects.toThrow(REFUSED);
  });

  it('is sent again when the broker is back, and all of them when it lost its logins', async () => {
    const [device, other] = [await facts.device(undefined, false), await facts.device(undefined, false)];
    const login = await make(device);
    await send();
    await broker.stop();
    const late = await make(other);
    expect(await sender.send()).toBe(true);
    expect(await waiting()).toBe(1);
    broker.forget('logins');
    await broker.start();
    sender.compareAgain();
    await until('both are let in', async () => {
      await sender.send();
      return Promise.all([connect(login), connect(late)]);
    });
    expect(await waiting()).toBe(0);
  });

  it('that no longer exists in PostgreSQL is removed at the next comparison', async () => {
    const device = await facts.device(undefined, false);
    const login = await make(device);
    await send();
    const client = await connect(login);
    await asTenant(pool, 'acme', (tx) => deleteDevice(tx, 'acme', device, false, Date.now()));
    sender.compareAgain();
    await send();
    await eventually('it is cut off', () => client.closed);
    await expect(connect(login)).rejects.toThrow(REFUSED);
  });

  it('that was made before SLIPWAY_MQTT_ADMIN cannot be sent: the log says so, and what to do', async () => {
    await facts.sql('DELETE FROM broker_seal');
    const device = await facts.device(undefined, false);
    const login = await make(device);
    await publishSeal(pool, publicKeyOf(administration.privateKey));
    await send();
    await expect(connect(login)).rejects.toThrow(REFUSED);
    expect(logged.find((line) => line.deviceId === device)?.msg).toMatch(/make a new one and revoke it/);
    const next = await make(device);
    await send();
    await connect(next);
  });

  it('is not sent by a leader without the lease', async () => {
    const device = await facts.device(undefined, false);
    await send();
    const login = await make(device);
    await facts.sql(`UPDATE leases SET holder = 'another', epoch = epoch + 1`);
    await expect(sender.send()).rejects.toThrow(/held by another/);
    await expect(connect(login)).rejects.toThrow(REFUSED);
  });
});

describe('A sealed password', () => {
  const about = { tenantId: 'acme', credentialId: 'c-1' };
  const mine = privateKeyOf('of the administrator');

  it("is opened with the administrator's password alone, and only as the credential that it was made for", () => {
    const sealed = seal(publicKeyOf(mine), "a device's password", about);
    expect(sealed.toString('latin1')).not.toContain('password');
    expect(unseal(privateKeyOf('of the administrator'), sealed, about)).toBe("a device's password");
    expect(unseal(privateKeyOf('another'), sealed, about)).toBeUndefined();
    expect(unseal(mine, sealed, { ...about, credentialId: 'c-2' })).toBeUndefined();
    expect(seal(publicKeyOf(mine), "a device's password", about)).not.toEqual(sealed);
  });

  it('is in the database from its creation to its revocation, and only where a broker is administered', async () => {
    const device = await facts.device(undefined, false);
    const stored = async (id: string) =>
      (await facts.sql<{ sealed: Buffer | null }>('SELECT sealed FROM device_credentials WHERE id = $1', [id]))[0]!
        .sealed;
    const login = await make(device);
    expect(
      unseal(administration.privateKey, (await stored(login.id))!, { tenantId: 'acme', credentialId: login.id }),
    ).toBe(login.password);
    await revoke(device, login.id);
    expect(await stored(login.id)).toBeNull();
    await facts.sql('DELETE FROM broker_seal');
    expect(await stored((await make(device)).id)).toBeNull();
  });
});
