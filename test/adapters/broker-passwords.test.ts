import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createCredential, revokeCredential } from '../../store/commands/credentials.js';
import { deleteDevice } from '../../store/commands/delete-device.js';
import { credentialLookup } from '../../store/fleet/broker-credentials.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import { Passwords } from '../../adapters/broker/passwords.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';

const SERVICE = { username: 'slipway', password: 'of the service' };
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let facts: Facts;
beforeAll(async () => {
  database = await createTestDatabase('broker_passwords');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool, 'acme').begin();
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

describe('A password', () => {
  let now: number;
  let passwords: Passwords;
  beforeEach(() => {
    now = 1_000_000;
    passwords = new Passwords(credentialLookup(pool), SERVICE, () => now);
  });
  const make = async (node?: string) => {
    const device = node ?? (await facts.device(undefined, false));
    const { secret: password, ...made } = await asTenant(pool, 'acme', (tx) => createCredential(tx, 'acme', device));
    return { device, password, ...made };
  };
  const revoke = (made: { device: string; id: string }) =>
    asTenant(pool, 'acme', (tx) => revokeCredential(tx, 'acme', made.device, made.id));
  const remove = (device: string) =>
    asTenant(pool, 'acme', (tx) => deleteDevice(tx, 'acme', device, false, Date.now()));

  it('of a device lets it in as itself, and each of two valid ones does', async () => {
    const first = await make();
    const second = await make(first.device);
    const identity = { kind: 'device', tenant: 'acme', node: first.device };
    expect(await passwords.check(first.username, first.password)).toEqual({ identity, credentialId: first.id });
    expect(await passwords.check(first.username, second.password)).toEqual({ identity, credentialId: second.id });
  });

  it('of the service lets the service in', async () => {
    expect(await passwords.check('slipway', 'of the service')).toEqual({ identity: { kind: 'service' } });
  });

  it('that is wrong, of another device, or of an unknown name is refused', async () => {
    const [one, other] = [await make(), await make()];
    for (const [username, password] of [
      [one.username, 'x'],
      [one.username, other.password],
      [one.username, ''],
      ['slipway', one.password],
      ['acme', 'x'],
      [`${one.username}/x`, one.password],
      [one.device, one.password],
      [`other/${one.device}`, one.password],
      ['\0', '\0'],
    ] as const) {
      expect(await passwords.check(username, password)).toBeNull();
    }
  });

  it('that is made a moment after it was tried works at the next try', async () => {
    const device = await facts.device(undefined, false);
    expect(await passwords.check(`acme/${device}`, 'early')).toBeNull();
    const made = await make(device);
    expect(await passwords.check(made.username, made.password)).not.toBeNull();
  });

  it('that is revoked is reported once for connected clients, and is not accepted from the cache', async () => {
    const [one, other] = [await make(), await make()];
    const admissions = await Promise.all([one, other].map((made) => passwords.check(made.username, made.password)));
    const connected = admissions.filter((admission) => admission !== null);
    expect(await passwords.revoked(connected)).toEqual([]);
    await revoke(one);
    expect(await passwords.revoked(connected)).toEqual([connected[0]]);
    expect(await passwords.check(one.username, one.password)).toBeNull();
    expect(await passwords.check(other.username, other.password)).not.toBeNull();
  });

  it('of a device that was deleted counts as revoked', async () => {
    const one = await make();
    const admission = (await passwords.check(one.username, one.password))!;
    await remove(one.device);
    expect(await passwords.revoked([admission, { identity: { kind: 'service' } }])).toEqual([admission]);
  });

  it('that ended is reported in full and in recent checks, and no other password is', async () => {
    const [revoked, deleted, stays] = [await make(), await make(), await make()];
    const admissions = await Promise.all(
      [revoked, deleted, stays].map((one) => passwords.check(one.username, one.password)),
    );
    const connected = admissions.filter((admission) => admission !== null);
    expect(await passwords.revoked(connected)).toEqual([]);
    await revoke(revoked);
    await remove(deleted.device);
    expect(await passwords.revoked(connected)).toEqual(connected.slice(0, 2));
    // As if it had ended while the database was away for long: nothing of it was noted lately.
    await facts.sql('DELETE FROM ended_credentials', []);
    expect(await passwords.revoked(connected)).toEqual([]);
    now += 30_000;
    expect(await passwords.revoked(connected)).toEqual(connected.slice(0, 2));
  });

  it('is asked of the database once for a second of reconnects, and thousands at once in few statements', async () => {
    const made = await Promise.all(Array.from({ length: 20 }, () => make()));
    const attempts = Array.from({ length: 2_000 }, (_, n) => made[n % made.length]!);
    let asked = 0;
    const count = () => void (asked += 1);
    pool.on('acquire', count);
    const admitted = await Promise.all(attempts.map((one) => passwords.check(one.username, one.password)));
    expect(admitted.every((admission, n) => admission?.credentialId === attempts[n]!.id)).toBe(true);
    pool.off('acquire', count);
    expect(asked).toBeLessThan(20);
  });

  it('cannot be checked while the database is away; what was checked just before still holds', async () => {
    const one = await make();
    const away = openPool({ databaseUrl: database.url, name: 'away' });
    const others = new Passwords(credentialLookup(away), SERVICE, () => now);
    const admission = await others.check(one.username, one.password);
    await away.end();
    expect(await others.check(one.username, one.password)).toEqual(admission);
    await expect(others.check(one.username, 'another')).rejects.toThrow();
    await expect(others.revoked([admission!])).rejects.toThrow();
    now += 10_001;
    await expect(others.check(one.username, one.password)).rejects.toThrow();
  });

  it('of the service needs a name that no device can have', () => {
    expect(() => new Passwords(credentialLookup(pool), { username: 'acme/bridge', password: 'x' }, () => now)).toThrow(
      /MQTT_USERNAME is "acme\/bridge"/,
    );
  });
});
