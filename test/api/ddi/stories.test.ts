import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DdiWorld } from './ddi-world.js';

let world: DdiWorld;
beforeAll(async () => {
  world = await DdiWorld.start('ddi_stories');
});
afterAll(() => world.close());

describe("a client that installs with RAUC, as rauc-hawkbit-updater's text says", () => {
  it('polls, reads the one chunk, downloads, reports its progress and closes', async () => {
    const device = await world.device();
    const id = await device.install();
    const offer = await device.offer();
    expect(offer).toMatchObject({ id: expect.any(String), deployment: { download: 'forced', update: 'forced' } });
    expect(offer.deployment.chunks).toHaveLength(1);
    expect(offer.deployment.chunks[0]).toMatchObject({ part: 'os', version: expect.any(String) });
    expect(offer.deployment.chunks[0]!.artifacts).toHaveLength(1);
    expect((await device.feedback('deploymentBase', offer.id, 'proceeding')).status).toBe(200);
    expect(await device.stateOf(id)).toBe('accepted');
    expect(await device.fetchFile(offer)).toEqual(world.bytes);
    expect(await device.reportOf(id)).toMatchObject({ state: 'downloading', progress: { bytes: world.bytes.length } });
    await device.feedback('deploymentBase', offer.id, 'proceeding', 'none', { details: ['File checksum OK.'] });
    expect(await device.stateOf(id)).toBe('installing');
    const closed = await device.feedback('deploymentBase', offer.id, 'closed', 'success', { details: 'installed' });
    expect(closed).toMatchObject({ status: 200, text: '' });
    expect(await device.stateOf(id)).toBe('installed');
    expect(await device.links()).not.toHaveProperty('deploymentBase');
    expect((await device.feedback('deploymentBase', offer.id, 'closed', 'success')).status).toBe(410);
  });

  it('reports a failure with its lines, and gets no more of that action', async () => {
    const device = await world.device();
    const id = await device.install({ retry: { maxAttempts: 1 } });
    const { id: number } = await device.offer();
    const details = ['Failed to install: no space'];
    expect((await device.feedback('deploymentBase', number, 'closed', 'failure', { details, code: 7 })).status).toBe(
      200,
    );
    expect(await device.reportOf(id)).toMatchObject({
      state: 'failed',
      rejectReason: 'DOWNLOAD_FAILED: Failed to install: no space (code 7)',
    });
    expect(await device.links()).not.toHaveProperty('deploymentBase');
  });

  it('is offered a further attempt under a number of its own', async () => {
    const device = await world.device();
    const id = await device.install({ retry: { maxAttempts: 2 } });
    const first = await device.offer();
    await device.feedback('deploymentBase', first.id, 'closed', 'failure', { details: ['flash is busy'] });
    expect(await device.links()).not.toHaveProperty('deploymentBase');
    await device.turn(id, 60_000);
    const second = await device.offer();
    expect(Number(second.id)).toBeGreaterThan(Number(first.id));
    expect((await device.feedback('deploymentBase', first.id, 'closed', 'success')).status).toBe(410);
    await device.feedback('deploymentBase', second.id, 'closed', 'success');
    expect(await device.stateOf(id)).toBe('installed');
  });
});

describe("a client that installs as SWUpdate's text says", () => {
  it('sends its attributes first, waits for its reboot, and closes after it', async () => {
    const device = await world.device();
    const { configData } = await device.links();
    const sent = { id: '', status: {}, data: { hwRevision: '1.0', serial: 'A-7' } };
    expect(await device.call('PUT', configData as string, sent)).toMatchObject({ status: 200, text: '' });
    expect(await device.links()).not.toHaveProperty('configData');
    const filtered = await world.api.call('GET', `/v1/devices?filter=attribute.reported.serial==A-7`);
    expect(filtered.body.data).toMatchObject([{ id: device.id, custom: { 'reported.hwRevision': '1.0' } }]);
    const id = await device.install();
    const offer = await device.offer();
    await device.fetchFile(offer);
    await device.feedback('deploymentBase', offer.id, 'proceeding', 'none', { details: ['All Chunks Installed.'] });
    expect(await device.stateOf(id)).toBe('rebooting');
    for (let poll = 0; poll < 3; poll += 1) expect(await device.offer()).toEqual(offer);
    await device.feedback('deploymentBase', offer.id, 'closed', 'success', { details: ['Updated.'] });
    expect(await device.stateOf(id)).toBe('installed');
    expect(await device.links()).toMatchObject({ configData: expect.any(String), installedBase: expect.any(String) });
  });

  it('fails for good after a reboot that went back', async () => {
    const device = await world.device();
    const id = await device.install();
    const offer = await device.offer();
    await device.feedback('deploymentBase', offer.id, 'proceeding', 'none', { details: ['All Chunks Installed.'] });
    await device.feedback('deploymentBase', offer.id, 'closed', 'failure', { details: ['Failed.'] });
    expect(await device.reportOf(id)).toMatchObject({ state: 'failed', error: { code: 'BOOT_FAILED_ROLLED_BACK' } });
  });

  it('skips what is held at the gate, and gets it once it is released', async () => {
    const device = await world.device();
    const id = await device.install({ gate: 'hold' });
    const held = await device.offer();
    expect(held.deployment).toMatchObject({ download: 'forced', update: 'skip' });
    await device.feedback('deploymentBase', held.id, 'closed', 'success', { details: ['Skipped Update.'] });
    expect(await device.stateOf(id)).toBe('downloaded');
    expect(await device.links()).not.toHaveProperty('deploymentBase');
    expect((await device.operator('POST', `/${id}/release`)).status).toBe(202);
    const released = await device.offer();
    expect(released).toMatchObject({ id: held.id, deployment: { update: 'forced' } });
    await device.feedback('deploymentBase', released.id, 'closed', 'success');
    expect(await device.stateOf(id)).toBe('installed');
  });

  it('stops what it is asked to stop, and sees nothing else meanwhile', async () => {
    const device = await world.device();
    const id = await device.install();
    const offer = await device.offer();
    await device.feedback('deploymentBase', offer.id, 'proceeding');
    await device.operator('POST', `/${id}/cancel`, { reason: 'wrong' });
    const { cancelAction, deploymentBase } = await device.links();
    expect(deploymentBase).toBeUndefined();
    expect((await device.call('GET', `/deploymentBase/${offer.id}`)).status).toBe(404);
    const asked = await device.call('GET', cancelAction as string);
    expect(asked.body).toEqual({ id: offer.id, cancelAction: { stopId: offer.id } });
    expect((await device.feedback('cancelAction', offer.id, 'closed', 'success')).status).toBe(200);
    expect(await device.stateOf(id)).toBe('canceled');
    expect(await device.links()).not.toHaveProperty('cancelAction');
  });

  it('continues where it is too late to stop', async () => {
    const device = await world.device();
    const id = await device.install();
    const offer = await device.offer();
    await device.fetchFile(offer);
    await device.feedback('deploymentBase', offer.id, 'proceeding');
    expect((await device.feedback('cancelAction', offer.id, 'closed', 'success')).status).toBe(405);
    await device.operator('POST', `/${id}/cancel`, {});
    await device.feedback('cancelAction', offer.id, 'rejected', 'success');
    expect(await device.offer()).toEqual(offer);
    await device.feedback('deploymentBase', offer.id, 'closed', 'success');
    expect(await device.stateOf(id)).toBe('installed');
  });
});

describe('a cancellation while it waits for its reboot', () => {
  it('is too late, although SWUpdate says that it stopped: it boots what it has written', async () => {
    const device = await world.device();
    const id = await device.install();
    const offer = await device.offer();
    await device.fetchFile(offer);
    await device.feedback('deploymentBase', offer.id, 'proceeding', 'none', { details: ['All Chunks Installed.'] });
    await device.operator('POST', `/${id}/cancel`, {});
    expect((await device.feedback('cancelAction', offer.id, 'closed', 'success')).status).toBe(200);
    expect(await device.stateOf(id)).toBe('rebooting');
    expect(await device.links()).not.toHaveProperty('cancelAction');
    await device.feedback('deploymentBase', offer.id, 'closed', 'success');
    expect(await device.stateOf(id)).toBe('installed');
  });
});

describe("a client with a small memory, as Zephyr's text says", () => {
  it('finds what it searches for in the links, and a number that fits 32 bits', async () => {
    const device = await world.device();
    await device.install();
    const { deploymentBase, configData } = await device.links();
    expect(deploymentBase).toContain(`/DEFAULT/controller/v1/${device.alias}/deploymentBase/`);
    expect(deploymentBase).toMatch(/\/\d{1,10}\?c=\d+$/);
    expect(configData).toContain('/DEFAULT/controller/v1');
    const { body } = await device.call('GET', '');
    expect(body.config.polling.sleep).toMatch(/^\d\d:\d\d:\d\d$/);
    const merged = await device.call('PUT', configData as string, { mode: 'merge', data: { VIN: '1', hw: 'b' } });
    expect(merged.status).toBe(200);
    const { artifacts } = (await device.offer()).deployment.chunks[0]!;
    expect(artifacts[0]!.hashes.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(artifacts[0]!._links['download-http'].href).toMatch(/^http:/);
  });
});
