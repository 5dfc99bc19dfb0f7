import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DdiWorld, type DdiDevice } from './ddi-world.js';

let world: DdiWorld;
beforeAll(async () => {
  world = await DdiWorld.start('ddi_confirmation', { confirmation: 'required' });
});
afterAll(() => world.close());

/** What a person at the device decides. */
const decide = (device: DdiDevice, number: string, confirmation: string, more: object = {}) =>
  device.call('POST', `/confirmationBase/${number}/feedback`, { confirmation, ...more });
const numberOf = (link: string | undefined) => /\/confirmationBase\/(\d+)\?c=\d+$/.exec(link ?? '')![1]!;
const waiting = async (device: DdiDevice) => numberOf((await device.links())['confirmationBase']);

describe('An action whose device type has confirmation: required', () => {
  it('stands at confirmationBase alone, and is offered once it is confirmed', async () => {
    const device = await world.device();
    const id = await device.install();
    const links = await device.links();
    expect(links).not.toHaveProperty('deploymentBase');
    expect(links).not.toHaveProperty('cancelAction');
    const number = numberOf(links['confirmationBase']);
    const { body } = await device.call('GET', links['confirmationBase']!);
    expect(body).toMatchObject({ id: number, confirmation: { download: 'forced', chunks: [{ part: 'os' }] } });
    expect(body).not.toHaveProperty('deployment');
    expect((await device.call('GET', `/deploymentBase/${number}`)).status).toBe(404);
    expect(await device.feedback('deploymentBase', number, 'proceeding')).toMatchObject({ status: 404, text: '' });
    const [artifact] = body.confirmation.chunks[0].artifacts;
    const file = await device.call('GET', artifact._links.download.href);
    expect(file.status).toBe(404);
    expect(await decide(device, number, 'confirmed')).toMatchObject({ status: 200, text: '' });
    expect(await device.stateOf(id)).toBe('accepted');
    const offer = await device.offer();
    expect(offer.id).toBe(number);
    expect((await decide(device, number, 'confirmed')).status).toBe(404);
    await device.fetchFile(offer);
    await device.feedback('deploymentBase', number, 'closed', 'success');
    expect(await device.stateOf(id)).toBe('installed');
    expect((await decide(device, number, 'confirmed')).status).toBe(410);
  });

  it('is rejected for good where it is denied, with what the person said', async () => {
    const device = await world.device();
    const id = await device.install({ retry: { maxAttempts: 3 } });
    const number = await waiting(device);
    expect((await decide(device, number, 'denied', { code: 7, details: ['not before the weekend'] })).status).toBe(200);
    const { state, rejectReason, attempt } = await device.reportOf(id);
    expect([state, attempt]).toEqual(['rejected', 1]);
    expect(rejectReason).toMatch(/not before the weekend/);
    expect(await device.links()).not.toHaveProperty('confirmationBase');
    expect((await decide(device, number, 'confirmed')).status).toBe(410);
  });

  it("is answered with hawkBit's statuses where the answer does not fit", async () => {
    const [device, other] = [await world.device(), await world.device()];
    await device.install();
    const number = await waiting(device);
    expect((await decide(device, number, 'perhaps')).status).toBe(400);
    expect((await decide(other, number, 'confirmed')).status).toBe(404);
    expect((await device.call('GET', '/confirmationBase/999999')).status).toBe(404);
  });

  it('can be canceled while it waits, and then shows that alone', async () => {
    const device = await world.device();
    const id = await device.install();
    const number = await waiting(device);
    await device.operator('POST', `/${id}/cancel`, {});
    const links = await device.links();
    expect(links).not.toHaveProperty('confirmationBase');
    expect(links).toHaveProperty('cancelAction');
    expect((await decide(device, number, 'confirmed')).status).toBe(404);
    await device.feedback('cancelAction', number, 'closed', 'success');
    expect(await device.stateOf(id)).toBe('canceled');
  });
});

describe('Auto-confirmation', () => {
  const state = async (device: DdiDevice) =>
    (await device.call('GET', '/confirmationBase')).body as Record<string, never>;

  it('is off, and says where it is switched on', async () => {
    const device = await world.device();
    expect(await state(device)).toEqual({
      autoConfirm: { active: false },
      _links: { activateAutoConfirm: { href: `${device.base}/confirmationBase/activateAutoConfirm` } },
    });
    await device.install();
    expect(await state(device)).toMatchObject({
      _links: { confirmationBase: { href: expect.stringMatching(/\/confirmationBase\/\d+\?c=\d+$/) } },
    });
  });

  it('lets go what waits, and spares the question until it is switched off', async () => {
    const device = await world.device();
    const first = await device.install();
    await waiting(device);
    const said = { initiator: 'caretaker', remark: 'trusted site' };
    expect((await device.call('POST', '/confirmationBase/activateAutoConfirm', said)).status).toBe(200);
    expect(await state(device)).toMatchObject({
      autoConfirm: { active: true, ...said, activatedAt: expect.any(Number) },
      _links: { deactivateAutoConfirm: { href: expect.any(String) } },
    });
    const offer = await device.offer();
    await device.feedback('deploymentBase', offer.id, 'closed', 'success');
    expect(await device.stateOf(first)).toBe('installed');
    expect((await device.call('POST', '/confirmationBase/activateAutoConfirm')).status).toBe(409);
    expect((await device.call('POST', '/confirmationBase/deactivateAutoConfirm')).status).toBe(200);
    expect((await state(device))['autoConfirm']).toMatchObject({ active: false });
    await device.install({ slot: 'bootloader' });
    await waiting(device);
  });
});
