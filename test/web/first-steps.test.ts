import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from '@playwright/test';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createFleet, type Fleet } from '../../agent/simulator/fleet.js';
import { TestedAllInOne } from '../support/all-in-one.js';
import { openBrowser, openPage, signIn } from './browser.js';

const service = new TestedAllInOne();
const dir = mkdtempSync(join(tmpdir(), 'slipway-first-'));
let browser: Browser;
let fleet: Fleet | undefined;

beforeAll(async () => {
  [browser] = await Promise.all([openBrowser(), service.start()]);
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await fleet?.stop();
  await service.stop();
  service.remove();
  rmSync(dir, { recursive: true, force: true });
}, 60_000);

describe('An empty installation', () => {
  it('leads by its pages alone to the first device that holds what was uploaded', async () => {
    const { page, faults, close } = await openPage(browser, service.endpoints.http);
    await page.goto('/');
    await signIn(page, service.operator.token);

    await page.getByRole('link', { name: 'Add a device' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name', { exact: true }).fill('the first');
    await dialog.getByLabel('Name of the new type').fill('switch');
    await dialog.getByRole('button', { name: 'Add', exact: true }).click();
    await dialog.getByText('The password is shown this once.').waitFor();
    const [username = '', password = ''] = await dialog.locator('code').allInnerTexts();
    const opens = dialog.getByRole('link', { name: 'Open the device' });
    const id = (await opens.getAttribute('href'))!.split('/').at(-1)!;
    const device = { tenant: 'default', id, profile: 'good', username, password } as const;
    const times = { install: 300, reboot: 300 };
    fleet = createFleet({ devices: [device], mqttUrl: service.endpoints.mqtt, dir, seed: 5, times });
    await fleet.start();
    await opens.click();

    // There is nothing to install yet: the question itself says where to get it.
    await page.getByRole('button', { name: 'Install…' }).click();
    await dialog.getByText('No firmware may go into this slot').waitFor();
    await dialog.getByRole('link', { name: 'Upload one' }).click();
    await page
      .getByLabel('Drop a file here, or choose one')
      .setInputFiles({ name: 'switch-2.0.0.bin', mimeType: 'application/octet-stream', buffer: randomBytes(100_000) });
    await page.getByRole('button', { name: 'Upload', exact: true }).click();
    await page.getByRole('heading', { name: 'switch 2.0.0', level: 1 }).waitFor();
    await page.getByLabel('Firmware of switch may hold switch 2.0.0').check();
    await page.getByRole('link', { name: 'the devices that may hold it' }).click();
    await page.getByRole('link', { name: 'the first' }).click();

    await page.getByRole('button', { name: 'Install…' }).click();
    await dialog.getByRole('button', { name: 'Install', exact: true }).click();
    await page.getByText('installed', { exact: true }).first().waitFor({ timeout: 30_000 });
    expect(faults).toEqual([]);
    await close();
  }, 90_000);
});
