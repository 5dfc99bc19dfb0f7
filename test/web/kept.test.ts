import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from '@playwright/test';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestedAllInOne, until } from '../support/all-in-one.js';
import { openBrowser, openPage, signIn } from './browser.js';
import { storyFleet, type StoryFleet } from './fleet.js';

const service = new TestedAllInOne(undefined, { SLIPWAY_WEBHOOKS_ALLOW_PRIVATE: 'true' });
const receiver = createServer((_request, response) => response.writeHead(204).end());
const dir = mkdtempSync(join(tmpdir(), 'slipway-kept-'));
let browser: Browser;
let fleet: StoryFleet;
const url = () => service.endpoints.http;
const key = () => service.operator.token;

beforeAll(async () => {
  [browser] = await Promise.all([openBrowser(), service.start()]);
  fleet = await storyFleet(service, { 'north 1': 'good', 'hall 1': 'rejecting' });
  const firmwareId = await fleet.firmware('1.5.0');
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const to = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/slipway`;
  await service.operator.call('POST', '/v1/webhooks', { url: to, description: 'the pager' });
  // An event to deliver.
  await fleet.install('never connected', firmwareId);
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await fleet?.stop();
  receiver.close();
  await service.stop();
  service.remove();
  rmSync(dir, { recursive: true });
}, 60_000);

/** As a device makes one: its key stays in a file that is removed with the folder. */
function requestOfDevice(): string {
  const key = join(dir, 'device.key');
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', key];
  const args = ['req', '-new', '-nodes', ...kind, '-subj', '/CN=any'];
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

async function entered(path: string) {
  const opened = await openPage(browser, url());
  await opened.page.goto(path);
  await signIn(opened.page, key());
  return opened;
}

describe('An artifact', () => {
  it('is uploaded in the page, shows the SHA-256 of the file, and is associated there', async () => {
    const { page, faults, close } = await entered('/artifacts');
    const buffer = randomBytes(3_000_000);
    const sha256 = createHash('sha256').update(buffer).digest('hex');
    const file = { name: 'switch-1.6.0.bin', mimeType: 'application/octet-stream', buffer };
    await page.getByLabel('Drop a file here, or choose one').setInputFiles(file);
    expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('switch');
    expect(await page.getByLabel('Version', { exact: true }).inputValue()).toBe('1.6.0');
    await page.getByRole('button', { name: 'Upload', exact: true }).click();
    await page.getByRole('heading', { name: 'switch 1.6.0', level: 1 }).waitFor();
    await page.getByText(sha256).first().waitFor();
    const mark = page.getByLabel('Firmware of switch may hold switch 1.6.0');
    await mark.check();
    await page.getByText('Next: open one of').waitFor();
    const id = new URL(page.url()).pathname.split('/').at(-1)!;
    const path = `/v1/device-types/${fleet.typeId}/slots/firmware/firmware-associations`;
    const allowed = () => service.operator.all<{ firmwareId: string }>(path);
    expect((await allowed()).map((one) => one.firmwareId)).toContain(id);

    await page.goto('/artifacts?tab=slots');
    await page.getByLabel('switch 1.6.0 may go into firmware').uncheck();
    await page.getByLabel('switch 1.6.0 may go into firmware').and(page.locator('[aria-busy="false"]')).waitFor();
    expect((await allowed()).map((one) => one.firmwareId)).not.toContain(id);
    expect(faults).toEqual([]);
    await close();
  });

  it('is not kept where its bytes are others than announced, and takes the right file then', async () => {
    const { page, close } = await entered('/artifacts');
    const [right, wrong] = [randomBytes(1_000), randomBytes(1_000)];
    const choose = (buffer: Buffer) =>
      page
        .getByLabel(/^Drop (a|its) file here/)
        .setInputFiles({ name: 'checked-1.0.0.bin', mimeType: 'application/octet-stream', buffer });
    await choose(wrong);
    await page.getByLabel('SHA-256, if you know it').fill(createHash('sha256').update(right).digest('hex'));
    await page.getByRole('button', { name: 'Upload', exact: true }).click();
    await page.getByText('FIRMWARE_BLOB_MISMATCH').waitFor();
    await page.getByRole('link', { name: 'checked 1.0.0' }).click();
    await page.getByText('waits for its file', { exact: true }).first().waitFor();
    await choose(right);
    await page.getByText('ready', { exact: true }).first().waitFor();
    await close();
  });
});

describe('An API key', () => {
  it('is made, shown once, rotated and revoked', async () => {
    const { page, faults, close } = await entered('/keys');
    await page.getByRole('button', { name: 'Make a key…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name', { exact: true }).fill('robot');
    await dialog.getByRole('button', { name: 'Make the key' }).click();
    const secret = dialog.locator('.secret code');
    const shown = async () => {
      await dialog.getByText('The key is shown this once.').waitFor();
      const text = await secret.innerText();
      await dialog.getByRole('button', { name: 'I have copied it' }).click();
      return text;
    };
    const works = async (token: string) =>
      (await fetch(`${url()}/v1/me`, { headers: { authorization: `Bearer ${token}` } })).status;
    const first = await shown();
    expect(await works(first)).toBe(200);
    expect(await page.content()).not.toContain(first);

    await page.getByRole('button', { name: 'Rotate… the key robot' }).click();
    await dialog.getByRole('button', { name: 'Make the new key' }).click();
    const second = await shown();
    expect([await works(first), await works(second)]).toEqual([200, 200]);
    await page.getByText('it has a successor').waitFor();

    const row = page.getByRole('row').filter({ hasText: 'robot' }).filter({ hasNotText: 'it has a successor' });
    await row.getByRole('button', { name: 'Revoke…' }).click();
    await dialog.getByRole('button', { name: 'Revoke', exact: true }).click();
    await page.getByText('revoked', { exact: true }).waitFor();
    await until('the key stops working', async () => (await works(second)) === 401);
    expect(faults).toEqual([]);
    await close();
  });
});

describe('A webhook', () => {
  it('shows its deliveries, and delivers one once more', async () => {
    const { page, close } = await entered('/webhooks');
    await page.getByRole('table').getByRole('link').first().click();
    await page.getByRole('heading', { name: 'the pager', level: 1 }).waitFor();
    await page.getByText('delivered', { exact: true }).first().waitFor();
    await page
      .getByRole('button', { name: /^Redeliver/ })
      .first()
      .click();
    await page.getByText(', once more').waitFor();
    await close();
  });
});

describe('The audit', () => {
  it('shows what was done on these pages, and keeps its filter in the address', async () => {
    const { page, close } = await entered('/audit?action=webhook.create');
    const row = page.getByRole('row').filter({ hasText: 'webhook: create' });
    await row.getByText('key:').first().waitFor();
    await page.getByLabel('To what').fill('firmware');
    await page.waitForURL(/resource=firmware/);
    await page.getByText('Nothing like that was done').waitFor();
    await close();
  });
});

describe('Enrolments', () => {
  it('are by a token that is made here; who waits is approved, and its certificate says until when', async () => {
    const { page, faults, close } = await entered('/enrolments?tab=tokens');
    await page.getByRole('button', { name: 'Make a token…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name', { exact: true }).fill('first batch');
    await dialog.getByLabel('Each device waits for approval').check();
    await dialog.getByRole('button', { name: 'Make the token' }).click();
    await dialog.getByText('The token is shown this once.').waitFor();
    const token = await dialog.locator('.secret code').innerText();
    await dialog.getByRole('button', { name: 'I have copied it' }).click();
    const csr = requestOfDevice();
    const asks = () =>
      fetch(`${url()}/v1/enrolments`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ csr, serial: 'SN-0042' }),
      });
    expect((await asks()).status).toBe(202);

    await page.getByRole('link', { name: 'Devices', exact: true }).last().click();
    const row = page.getByRole('row').filter({ hasText: 'SN-0042' });
    await row.getByText('waits for approval').waitFor({ timeout: 20_000 });
    await row.getByRole('button', { name: 'Approve SN-0042' }).click();
    await row.getByText('approved', { exact: true }).waitFor();
    const issued = (await (await asks()).json()) as { data: { deviceId: string } };
    await page.goto(`/devices/${issued.data.deviceId}?tab=access`);
    const certificates = page.getByRole('region', { name: 'Certificates' });
    await certificates.getByText(/^valid$/).waitFor();
    await certificates.getByText(/89 d/).waitFor();
    await certificates.getByRole('button', { name: /^Revoke/ }).click();
    await dialog.getByRole('button', { name: 'Revoke', exact: true }).click();
    await certificates.getByText(/^revoked$/).waitFor();
    expect(faults).toEqual([]);
    await close();
  });
});

describe('Settings', () => {
  it('of clients of hawkBit are changed, and a fault stands at its field', async () => {
    const { page, faults, close } = await entered('/settings');
    await page.getByText('key:bootstrap').first().waitFor();
    await page.getByRole('button', { name: 'Change…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Clients ask again after').fill('5 minutes');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.locator('.fault').first().waitFor();
    await dialog.getByLabel('Clients ask again after').fill('PT10M');
    await dialog.getByLabel('Token of gateways').fill('0123456789abcdef');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await page.getByText('10 min', { exact: true }).waitFor();
    await page.getByText('is set').waitFor();
    expect(await page.content()).not.toContain('0123456789abcdef');
    expect(faults).toEqual([]);
    await close();
  });
});

describe('A reader', () => {
  it('reads on a page of owners what would be needed, and is not led to the tenants', async () => {
    const made = await service.operator.call<{ key: string }>('POST', '/v1/api-keys', { name: 'look', role: 'reader' });
    const { page, close } = await openPage(browser, url());
    await page.goto('/keys');
    await signIn(page, made.key);
    await page.getByText('You may not see this').waitFor();
    await page.getByText('Ask an owner for the permission api_keys:read.').waitFor();
    const places = page.getByRole('navigation', { name: 'Pages' });
    expect(await places.getByRole('link', { name: 'Tenants' }).count()).toBe(0);
    await page.goto('/artifacts?tab=slots');
    await page.getByText('It needs the permission devicetypes:write, which look does not have.').first().waitFor();
    expect(await page.getByRole('checkbox').first().isDisabled()).toBe(true);
    await close();
  });
});
