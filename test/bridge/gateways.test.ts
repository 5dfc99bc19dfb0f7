import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { createInstallationActivities } from '../../activities/installation.js';
import { createCertificate } from '../../store/commands/certificates.js';
import { createCredential } from '../../store/commands/credentials.js';
import { updateDevice } from '../../store/commands/devices.js';
import { asTenant } from '../../store/db/transaction.js';
import { until } from '../support/until.js';
import { BridgeUnderTest } from './bridge-under-test.js';

/** docs/contracts/device-mqtt.md, "Gateway": one connection, a topic level per child. */
const bridge = new BridgeUnderTest('bridge gateways');
beforeAll(() => bridge.start(), 60_000);
afterAll(() => bridge.end(), 60_000);

const held = (sha256: string) => ({ firmware: { version: '2.0.0', sha256, confirmed: true } });

async function gatewayWithChild() {
  const gatewayId = await bridge.facts.device();
  const childId = await bridge.facts.device(gatewayId, false);
  return { gatewayId, childId, gateway: await bridge.device(gatewayId) };
}
const moves = (childId: string, connectedBy: string) =>
  asTenant(bridge.pool, 'default', (tx) =>
    updateDevice(tx, 'default', childId, true, ({ info: { name, deviceTypeId, aliases } }) => ({
      info: { name, deviceTypeId, aliases, connectedBy },
    })),
  );
const alias = (deviceId: string, name: string) =>
  asTenant(bridge.pool, 'default', (tx) =>
    updateDevice(tx, 'default', deviceId, true, ({ info: { name: of, deviceTypeId, connectedBy, aliases = [] } }) => ({
      info: { name: of, deviceTypeId, aliases: [...aliases, name], ...(connectedBy ? { connectedBy } : {}) },
    })),
  );

describe('A gateway', () => {
  it("D6 is sent the documents of its children under its own node, each on the child's topic, and reports per child", async () => {
    const { gatewayId, childId, gateway } = await gatewayWithChild();
    await alias(childId, `mac:${childId}`);
    const installation = await bridge.installing(childId);
    const document = await gateway.desired(childId);
    expect(document).toMatchObject({
      installationId: installation.id,
      device: { id: childId, aliases: [`mac:${childId}`] },
    });
    await gateway.status(document, 'downloading', {}, childId);
    await gateway.send(
      gateway.topic('up/progress', childId),
      { v: 1, installationId: installation.id, phase: 'push', bytes: 2, total: 4 },
      { qos: 0 },
    );
    await until('the progress of the push', async () => (await bridge.see(installation)).progress?.phase === 'push');
    const receipt = await gateway.status(document, 'installed', {}, childId);
    expect(await gateway.ack(receipt, childId)).toMatchObject({ result: 'ok' });
    const { history } = await bridge.becomes(installation, 'installed');
    expect(history.at(-1)?.data).toMatchObject({ by: `device:${gatewayId}` });
    await gateway.cleared(childId);
  });

  it('CHILD_UNREACHABLE is retriable: the same installation is offered again as the next attempt, with a higher revision', async () => {
    const { childId, gateway } = await gatewayWithChild();
    const installation = await bridge.installing(childId, {
      policy: { retry: { maxAttempts: 3, first: 300, factor: 2, max: 1_000 } },
    });
    const document = await gateway.desired(childId);
    await gateway.status(
      document,
      'failed',
      { error: { code: 'CHILD_UNREACHABLE', message: 'no answer on the field bus' } },
      childId,
    );
    const again = await gateway.desired(childId, 'firmware', (one) => one['attempt'] === 2);
    expect(again).toMatchObject({ installationId: installation.id, revision: (document['revision'] as number) + 1 });
  });

  it("D4 a report for another gateway's child is refused, shows in the last-diagnostics of the sender, and changes nothing", async () => {
    const { childId, gateway } = await gatewayWithChild();
    const thief = await bridge.device(await bridge.facts.device());
    const installation = await bridge.installing(childId);
    const document = await gateway.desired(childId);
    const receipt = await thief.status(document, 'installed', {}, childId);
    expect(await thief.ack(receipt, childId)).toMatchObject({ result: 'forbidden' });
    const msgId = await thief.hello(
      {},
      { children: [{ device: childId, slots: held(installation.sha256), reachable: true }] },
    );
    expect(await thief.ack(msgId)).toMatchObject({ result: 'ok' });
    expect(await thief.ack(msgId, childId)).toEqual({ v: 1, for: msgId, result: 'forbidden' });
    const entries = await bridge.diagnostics(thief.id);
    expect(entries.map((one) => one.reason)).toEqual(['forbidden', 'forbidden']);
    expect(entries[0]?.detail).toContain(childId);
    expect(await bridge.diagnostics(childId)).toEqual([]);
    expect(await bridge.see(installation)).toMatchObject({
      state: 'delivered',
      history: [{ event: 'requested' }, { event: 'delivered' }],
    });
  });

  it('D4 what cannot be read is kept for a child only where the sender is its gateway, else for the sender', async () => {
    const { childId, gateway } = await gatewayWithChild();
    const thief = await bridge.device(await bridge.facts.device());
    await thief.send(thief.topic('up/status', childId), 'not json');
    await gateway.send(gateway.topic('up/status', childId), 'not json either');
    await bridge.diagnosed(thief.id, 'not_json');
    expect(await bridge.diagnosed(childId, 'not_json')).toMatchObject({ payload: 'not json either' });
    expect(await bridge.diagnostics(childId)).toHaveLength(1);
  });

  it('D17 aliases are resolved to ids by the ack, but for children of others', async () => {
    const { childId, gateway } = await gatewayWithChild();
    const stranger = await bridge.facts.device();
    await Promise.all([alias(childId, 'mac-1'), alias(stranger, 'mac-2')]);
    const child = (device: string, more: object = {}) => ({ device, slots: {}, reachable: true, ...more });
    const receipt = await gateway.hello(
      {},
      {
        aliases: ['gw'],
        children: [child('serial-7', { aliases: ['mac-1', 'mac-2', 'unheard-of'] }), child('mac-2'), child('nobody')],
      },
    );
    const ack = await gateway.ack(receipt);
    expect([ack['result'], ack['children']]).toEqual(['ok', { 'serial-7': childId, 'mac-1': childId }]);
    expect((await bridge.diagnostics(gateway.id)).map((one) => [one.reason, one.detail]).sort()).toMatchObject([
      ['forbidden', expect.stringContaining(stranger)],
      ['unknown_device', expect.stringContaining('"nobody"')],
    ]);
  });

  it('a hello about its children updates their slots, concludes their installations, and is answered for each child with what is open on it', async () => {
    const { childId, gateway } = await gatewayWithChild();
    const other = await bridge.facts.device(gateway.id, false);
    const installation = await bridge.installing(childId);
    const waiting = await bridge.installing(other);
    const [, document] = [await gateway.desired(childId), await gateway.desired(other)];
    const receipt = await gateway.hello(
      {},
      {
        children: [
          { device: childId, slots: held(installation.sha256), reachable: true },
          { device: other, slots: held('a'.repeat(64)), reachable: true },
        ],
      },
    );
    expect((await gateway.ack(receipt, childId))['open']).toEqual({});
    expect((await gateway.ack(receipt, other))['open']).toEqual({
      firmware: { installationId: waiting.id, revision: document['revision'] },
    });
    await bridge.becomes(installation, 'installed');
    expect(await bridge.see(waiting)).toMatchObject({ state: 'delivered' });
    expect(await bridge.facts.sql('SELECT sha256 FROM device_slots WHERE device_id = $1', [other])).toEqual([
      { sha256: 'a'.repeat(64) },
    ]);
  });

  it('D18 a child is reached through its gateway: it is offline where the gateway is, or where the gateway says so, and not because it never connects', async () => {
    const { gatewayId, childId, gateway } = await gatewayWithChild();
    const installation = await bridge.installing(childId);
    await gateway.desired(childId);
    const says = async () => (await bridge.see(installation)).waitingOn ?? '';
    await gateway.presence(true);
    await until('the gateway is online', async () => !(await says()).includes('offline'));
    // The process, and with it the Temporal UI, says the same.
    const activities = createInstallationActivities({ pool: bridge.pool, now: Date.now });
    expect(
      (await activities.expireOffer({ tenantId: 'default', deviceId: childId, installationId: installation.id })).status
        .waitingOn,
    ).toBe(await says());
    await gateway.ack(
      await gateway.hello({}, { children: [{ device: childId, slots: held('b'.repeat(64)), reachable: false }] }),
    );
    expect(await says()).toContain('offline');
    // What the gateway remembers of a child that it does not reach is no fact.
    expect(
      await bridge.facts.sql('SELECT FROM device_slots WHERE device_id = $1 AND sha256 IS NOT NULL', [childId]),
    ).toEqual([]);
    await gateway.ack(await gateway.hello({}, { children: [{ device: childId, slots: {}, reachable: true }] }));
    expect(await says()).not.toContain('offline');
    await gateway.presence(false);
    await until('its gateway is offline', async () => (await says()).includes('offline'));
    expect(gatewayId).toBe(gateway.id);
  });
});

describe('Where no device in the chain has a credential', () => {
  it('D6 is sent the documents of a child that has a certificate only: no broker admits by one yet', async () => {
    const { gatewayId, childId, gateway } = await gatewayWithChild();
    const cert = readFileSync('test/fixtures/device-certificate.pem', 'utf8');
    await asTenant(bridge.pool, 'default', (tx) => createCertificate(tx, 'default', childId, cert, 'valid'));
    await bridge.installing(childId);
    expect(await gateway.desired(childId)).toMatchObject({ device: { id: childId } });
    expect(await bridge.facts.sql('SELECT node FROM published_documents WHERE device_id = $1', [childId])).toEqual([
      { node: gatewayId },
    ]);
  });

  it('D6 there is no document and waitingOn says so; it appears as soon as a credential is made', async () => {
    const gatewayId = await bridge.facts.device(undefined, false);
    const childId = await bridge.facts.device(gatewayId, false);
    const installation = await bridge.installing(childId);
    await bridge.becomes(installation, 'delivered');
    expect((await bridge.see(installation)).waitingOn).toMatch(/credential/);
    await until(
      'the outbox is empty',
      async () => (await bridge.facts.sql('SELECT FROM outbox WHERE receiver = $1', ['document'])).length === 0,
    );
    expect(await bridge.facts.sql('SELECT FROM published_documents WHERE device_id = $1', [childId])).toEqual([]);
    await asTenant(bridge.pool, 'default', (tx) => createCredential(tx, 'default', gatewayId));
    const gateway = await bridge.device(gatewayId);
    expect(await gateway.desired(childId)).toMatchObject({ installationId: installation.id });
    expect((await bridge.see(installation)).waitingOn).not.toMatch(/credential/);
  });
});

describe('A child that moves to another gateway while it is being installed', () => {
  it('D7 its document is cleared under the old node and published under the new one with revision + 1; the old gateway is refused, the new one continues', async () => {
    const { childId, gateway: left } = await gatewayWithChild();
    const joined = await bridge.device(await bridge.facts.device());
    const installation = await bridge.installing(childId);
    const before = await left.desired(childId);
    await left.status(before, 'downloading', {}, childId);
    await bridge.becomes(installation, 'downloading');
    await moves(childId, joined.id);
    await left.cleared(childId);
    const after = await joined.desired(childId);
    expect(after).toMatchObject({
      installationId: installation.id,
      attempt: 1,
      revision: (before['revision'] as number) + 1,
    });
    expect(
      await bridge.facts.sql('SELECT node, revision::int FROM published_documents WHERE device_id = $1', [childId]),
    ).toEqual([{ node: joined.id, revision: after['revision'] }]);

    const refused = await left.status(before, 'installed', {}, childId);
    expect(await left.ack(refused, childId)).toMatchObject({ result: 'forbidden' });
    expect(await bridge.see(installation)).toMatchObject({ state: 'downloading' });
    await joined.status(after, 'installed', { seq: 2 }, childId);
    const { history } = await bridge.becomes(installation, 'installed');
    expect(history.map((entry) => entry.event)).toEqual([
      'requested',
      'delivered',
      'downloading',
      'renumbered',
      'installed',
    ]);
    await joined.cleared(childId);
  });

  it('D7 the same where it gets a credential of its own: from then on its document is on its own topic', async () => {
    const { childId, gateway } = await gatewayWithChild();
    await bridge.installing(childId);
    const before = await gateway.desired(childId);
    await asTenant(bridge.pool, 'default', (tx) => createCredential(tx, 'default', childId));
    await gateway.cleared(childId);
    expect(await (await bridge.device(childId)).desired()).toMatchObject({
      revision: (before['revision'] as number) + 1,
    });
  });
});
