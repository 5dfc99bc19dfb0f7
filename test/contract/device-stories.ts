import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { report } from '../../store/commands/create-installation.js';
import { asService } from '../../store/db/transaction.js';
import { until } from '../support/until.js';
import { BridgeUnderTest } from '../bridge/bridge-under-test.js';
import type { Transport } from './device-transports.js';

const held = (sha256: string, more: object = {}) => ({
  firmware: { version: '2.0.0', sha256, confirmed: true, ...more },
});
const OTHER = 'f'.repeat(64);
const minutes = (n: number) => n * 60_000;
const timeouts = { offer: minutes(10), download: minutes(10), install: minutes(10), confirm: minutes(10) };

/**
 * docs/contracts/device-mqtt.md, "Sequences": each bullet, over the wire, with devices that are not ours. One suite for
 * every way in which such a device may speak.
 */
export function deviceStories(name: string, transport: Transport): void {
  const bridge = new BridgeUnderTest(`stories ${name}`);
  beforeAll(async () => {
    await bridge.start();
    await transport.start(bridge);
  }, 60_000);
  afterAll(async () => {
    await transport.end();
    await bridge.end();
  }, 60_000);

  /** A device that is connected, an installation that was asked for, and the document of it. */
  async function offered(more: Parameters<BridgeUnderTest['installing']>[1] = {}) {
    const id = await bridge.facts.device(undefined, transport.hasPasswords);
    const device = await transport.device(id);
    const installation = await bridge.installing(id, more);
    const document = await device.desired();
    return { id, device, installation, document };
  }

  describe('Normal', () => {
    it('D3 desired, accepted, downloading, downloaded, installing, rebooting, last will, reconnect, hello, installed, ack', async () => {
      const { id, device, installation, document } = await offered();
      expect(document).toMatchObject({
        v: 1,
        revision: 1,
        installationId: installation.id,
        attempt: 1,
        slot: 'firmware',
        gate: 'go',
        device: { id, aliases: [] },
        firmware: { id: installation.firmwareId, sha256: installation.sha256, size: 4 },
        policy: { retryDownload: 3 },
      });
      await device.presence(true);
      for (const state of ['accepted', 'downloading', 'downloaded', 'installing', 'rebooting'])
        await device.status(document, state);
      await bridge.becomes(installation, 'rebooting');
      await transport.vanishes(
        device,
        async () =>
          !(await bridge.facts.sql<{ online: boolean }>('SELECT online FROM devices WHERE id = $1', [id]))[0]!.online,
      );
      expect((await bridge.see(installation)).waitingOn).toMatch(/offline/);

      const again = await transport.device(id);
      const receipt = await again.hello(held(installation.sha256, { installationId: installation.id, revision: 1 }));
      expect(await again.ack(receipt)).toMatchObject({ result: 'ok', open: {} });
      const installed = await bridge.becomes(installation, 'installed');
      expect(installed.history.map((entry) => entry.event)).toEqual([
        'requested',
        'delivered',
        'accepted',
        'downloading',
        'downloaded',
        'installing',
        'rebooting',
        'installed',
      ]);
      const late = await again.status(document, 'installed', { seq: 7 });
      expect(await again.ack(late.replace(/\d+$/, '7'))).toMatchObject({ result: 'ok' });
      await again.cleared();
    });

    it('D9 a hello that shows the new content concludes the installation even when every status was lost', async () => {
      const { device, installation } = await offered();
      await device.hello(held(installation.sha256));
      await bridge.becomes(installation, 'installed');
      await device.cleared();
    });
  });

  describe('What confirms', () => {
    it('a report installed ends the installation as installed, and is acknowledged by the service', async () => {
      const { device, installation, document } = await offered();
      const receipt = await device.status(document, 'installed', { version: 'v1.0' });
      expect(await device.ack(receipt)).toMatchObject({ v: 1, result: 'ok' });
      expect(await bridge.see(installation)).toMatchObject({ state: 'installed' });
    });

    it('a report installed with another version is doubted: the device is asked for a hello, and its content decides', async () => {
      const { device, installation, document } = await offered();
      const receipt = await device.status(document, 'installed', { version: '2.0.0' });
      expect(await device.ack(receipt)).toMatchObject({ v: 1, result: 'ok' });
      expect(await bridge.see(installation)).toMatchObject({ state: 'rebooting' });
      await device.hello(held(installation.sha256));
      await bridge.becomes(installation, 'installed');
    });

    it("REST completedAt ends it, and the device's document is cleared", async () => {
      const { device, installation } = await offered();
      await asService(bridge.pool, (tx) =>
        report(
          tx,
          'default',
          {
            deviceId: device.id,
            installationId: installation.id,
            event: { type: 'installed' },
            by: { kind: 'operator', id: 'test' },
          },
          Date.now(),
        ),
      );
      await device.cleared();
      expect(await bridge.see(installation)).toMatchObject({ state: 'installed' });
    });

    it('with a soak it is confirming until the soak is over', async () => {
      const { device, installation, document } = await offered({ policy: { soak: 1_500 } });
      await device.status(document, 'installed');
      await bridge.becomes(installation, 'confirming');
      expect((await bridge.see(installation)).waitingOn).toMatch(/pass its soak/);
      await bridge.becomes(installation, 'installed');
    });

    it('a hello with other content during the soak makes it failed with BOOT_FAILED_ROLLED_BACK', async () => {
      const { device, installation, document } = await offered({ policy: { soak: minutes(10) } });
      await device.status(document, 'installed');
      await bridge.becomes(installation, 'confirming');
      await device.hello(held(OTHER));
      expect(await bridge.becomes(installation, 'failed')).toMatchObject({
        error: { code: 'BOOT_FAILED_ROLLED_BACK' },
      });
    });

    it('D9 a hello concludes only where its installationId is this one, or without one where the digest was another when the document was published', async () => {
      const id = await bridge.facts.device(undefined, transport.hasPasswords);
      const device = await transport.device(id);
      const sha256 = '1'.repeat(64);
      // The slot holds the very content, unconfirmed: it must prove itself by this installation.
      await device.ack(await device.hello({ firmware: { version: null, sha256, confirmed: false } }));
      const installation = await bridge.facts.install(id, await bridge.facts.firmware('1'));
      await device.desired();
      await device.ack(await device.hello(held(sha256)));
      await device.ack(await device.hello(held(sha256, { installationId: '123e4567-e89b-42d3-a456-426614174000' })));
      expect(await bridge.see(installation)).toMatchObject({ state: 'delivered' });
      await device.hello(held(sha256, { installationId: installation.id }));
      await bridge.becomes(installation, 'installed');
    });

    it('what a hello says of a slot updates the slot also when the installation has ended', async () => {
      const { id, device, installation, document } = await offered();
      await device.ack(
        await device.status(document, 'rejected', { error: { code: 'INCOMPATIBLE', message: 'other board' } }),
      );
      expect(await bridge.see(installation)).toMatchObject({ state: 'rejected' });
      await device.ack(await device.hello(held(installation.sha256, { version: '9.9.9' })));
      expect(await bridge.facts.sql('SELECT version, sha256 FROM device_slots WHERE device_id = $1', [id])).toEqual([
        { version: '9.9.9', sha256: installation.sha256 },
      ]);
      expect(await bridge.see(installation)).toMatchObject({ state: 'rejected' });
    });
  });

  describe('Skipping', () => {
    it('every later state is accepted in every open state, also before the document was published', async () => {
      const id = await bridge.facts.device(undefined, transport.hasPasswords);
      const device = await transport.device(id);
      const installation = await bridge.installing(id, { notBefore: Date.now() + minutes(60) });
      const receipt = await device.status(
        { installationId: installation.id, attempt: 1, revision: 0, slot: 'firmware' },
        'installed',
      );
      expect(await device.ack(receipt)).toMatchObject({ result: 'ok' });
      expect(await bridge.see(installation)).toMatchObject({ state: 'installed' });
    });

    it('an unknown state counts as "not ended"', async () => {
      const { device, installation, document } = await offered();
      await device.status(document, 'verifying');
      await bridge.becomes(installation, 'accepted');
    });
  });

  describe('Cancel', () => {
    const cancel = (one: { deviceId: string; id: string }) =>
      asService(bridge.pool, (tx) =>
        report(
          tx,
          'default',
          {
            deviceId: one.deviceId,
            installationId: one.id,
            event: { type: 'cancel', reason: 'not tonight' },
            by: { kind: 'operator', id: 'test' },
          },
          Date.now(),
        ),
      );

    it('D8 the document is cleared and cmd cancel is sent; the device answers canceled', async () => {
      const { device, installation, document } = await offered();
      await device.status(document, 'downloading');
      await bridge.becomes(installation, 'downloading');
      await cancel(installation);
      await device.cleared();
      expect(await device.cmd('cancel')).toMatchObject(
        transport.said({ installationId: installation.id, reason: 'not tonight' }),
      );
      expect(await device.ack(await device.status(document, 'canceled'))).toMatchObject({ result: 'ok' });
      expect(await bridge.see(installation)).toMatchObject({ state: 'canceled', rejectReason: 'not tonight' });
    });

    it('D8 the device continues with CANCEL_TOO_LATE and its normal end', async () => {
      const { device, installation, document } = await offered();
      await device.status(document, 'installing');
      await bridge.becomes(installation, 'installing');
      await cancel(installation);
      await device.cmd('cancel');
      await device.status(document, 'installing', {
        error: { code: 'CANCEL_TOO_LATE', message: 'the bootloader runs' },
      });
      await until('the cancellation is over', async () => (await bridge.see(installation)).cancel === null);
      await device.status(document, 'installed');
      await bridge.becomes(installation, 'installed');
    });

    it('D8 without an answer it is canceled only if accepted was never seen', async () => {
      const silent = await offered();
      const working = await offered();
      await working.device.status(working.document, 'accepted');
      await bridge.becomes(working.installation, 'accepted');
      await cancel(silent.installation);
      await cancel(working.installation);
      await bridge.becomes(silent.installation, 'canceled', 12_000);
      expect(await bridge.see(working.installation)).toMatchObject({
        state: 'accepted',
        cancel: { reason: 'not tonight' },
      });
    }, 20_000);

    it('D8 one that supersedes another, on which the device works, is offered when the device has stopped that', async () => {
      const { id, device, installation, document } = await offered();
      await device.status(document, 'downloading');
      await bridge.becomes(installation, 'downloading');
      const next = await bridge.installing(id, { onConflict: 'supersede' });
      await device.cleared();
      expect(await device.cmd('cancel')).toMatchObject(transport.said({ installationId: installation.id }));
      expect(await bridge.see(installation)).toMatchObject({
        state: 'downloading',
        waitingOn: expect.stringMatching(/^Waiting for the device to answer the cancellation/),
      });
      expect(await device.ack(await device.status(document, 'canceled'))).toMatchObject({ result: 'ok' });
      expect(await bridge.see(installation)).toMatchObject({
        state: 'superseded',
        rejectReason: 'superseded by a newer installation',
      });
      const replacement = await device.desired(id, 'firmware', (one) => one['installationId'] === next.id);
      expect(replacement['revision']).toBeGreaterThan(document['revision'] as number);
      await device.status(replacement, 'installed');
      await bridge.becomes(next, 'installed');
    });

    it('D8 one that supersedes another which the device cannot stop any more follows its normal end', async () => {
      const { id, device, installation, document } = await offered();
      await device.status(document, 'installing');
      await bridge.becomes(installation, 'installing');
      const next = await bridge.installing(id, { onConflict: 'supersede' });
      await device.cmd('cancel');
      await device.status(document, 'installing', {
        error: { code: 'CANCEL_TOO_LATE', message: 'the bootloader runs' },
      });
      await device.status(document, 'installed');
      await bridge.becomes(installation, 'installed');
      await device.desired(id, 'firmware', (one) => one['installationId'] === next.id);
    });

    it('D16 a device that was away learns from ack.open what was withdrawn and what is to be in work', async () => {
      const { id, device, installation, document } = await offered();
      const receipt = await device.hello({});
      expect(await device.ack(receipt)).toMatchObject({
        open: { firmware: { installationId: installation.id, revision: document['revision'] } },
      });
      await device.end();
      await cancel(installation);
      await bridge.becomes(installation, 'canceled', 12_000);
      const again = await transport.device(id);
      expect((await again.ack(await again.hello({})))['open']).toEqual({});
    }, 20_000);
  });

  describe('Lost status', () => {
    it('nothing within confirmWithinSeconds: cmd hello, and the slots say that it is installed', async () => {
      const { device, installation, document } = await offered({
        policy: { timeouts: { ...timeouts, confirm: 1_000 } },
      });
      expect(document['policy']).toMatchObject({ confirmWithinSeconds: 1 });
      await device.status(document, 'rebooting');
      await device.cmd('hello');
      await device.hello(held(installation.sha256));
      await bridge.becomes(installation, 'installed');
    });

    it('nothing at all: cmd hello, and then timed_out', async () => {
      const { device, installation, document } = await offered({
        policy: { timeouts: { ...timeouts, confirm: 1_000 } },
      });
      await device.status(document, 'rebooting');
      await device.cmd('hello');
      expect(await bridge.becomes(installation, 'timed_out')).toMatchObject({
        rejectReason: expect.stringMatching(/did not report its content/),
      });
    });
  });

  describe('Duplicate, reordered, late reports change nothing', () => {
    it('D10 (installationId, attempt, seq) is the key, terminal states are sticky', async () => {
      const { device, installation, document } = await offered();
      const again = (state: string, seq: number) =>
        device.send(device.topic('up/status'), {
          v: 1,
          installationId: installation.id,
          attempt: 1,
          seq,
          slot: 'firmware',
          state,
        });
      await again('downloading', 2);
      await again('accepted', 1);
      await again('downloading', 2);
      await again('downloaded', 3);
      await again('downloading', 2);
      await again('installed', 4);
      const receipt = `${installation.id}/1/4`;
      await device.ack(receipt);
      const heard = device.heard.length;
      await again('installed', 4);
      await until('its receipt comes again', () =>
        device.heard.slice(heard).some((one) => one.json?.['for'] === receipt),
      );
      await again('failed', 5);
      expect(await device.ack(`${installation.id}/1/5`)).toMatchObject({ result: 'stale' });
      const ended = await bridge.see(installation);
      expect(ended.history.map((entry) => entry.event)).toEqual([
        'requested',
        'delivered',
        'downloading',
        'downloaded',
        'installed',
      ]);
      expect(document['revision']).toBe(1);
    });
  });
}
