import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, Page } from '@playwright/test';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestedAllInOne } from '../support/all-in-one.js';
import { openBrowser, openPage, signIn } from './browser.js';
import { storyFleet, type StoryFleet } from './fleet.js';

const service = new TestedAllInOne();
let browser: Browser;
let fleet: StoryFleet;
let held: string;
const url = () => service.endpoints.http;
const key = () => service.operator.token;

beforeAll(async () => {
  [browser] = await Promise.all([openBrowser(), service.start()]);
  fleet = await storyFleet(service, { 'north 1': 'good', 'hall 1': 'rejecting' });
  const firmwareId = await fleet.firmware('1.5.0');
  held = await fleet.install('north 1', firmwareId, { gate: 'hold' });
  await fleet.install('without a password', firmwareId);
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await fleet?.stop();
  await service.stop();
  service.remove();
}, 60_000);

async function entered(path: string, colorScheme: 'light' | 'dark' = 'light') {
  const opened = await openPage(browser, url(), { colorScheme });
  await opened.page.goto(path);
  await signIn(opened.page, key());
  return opened;
}

const settled = async (page: Page): Promise<void> => {
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.getByRole('status', { name: 'Loading' }).first().waitFor({ state: 'hidden' });
};

describe('Each page', () => {
  it.each(['light', 'dark'] as const)(
    'in %s has no violation of axe and of the content security policy',
    async (scheme) => {
      const { page, faults, close } = await entered('/', scheme);
      const device = fleet.devices['north 1']!;
      const found: string[] = [];
      for (const path of [
        '/',
        '/devices',
        '/devices?filter=nam%3D%3Dx',
        '/devices?filter=name%3D%3Dnothing',
        '/devices?add=yes',
        `/devices/${device}`,
        `/devices/${device}?tab=installations`,
        `/devices/${device}?tab=access`,
        `/devices/${device}?tab=children`,
        `/devices/${device}?tab=diagnostics`,
        `/devices/${device}?tab=data`,
        `/installations/${held}?device=${device}`,
        '/gateways',
        '/jobs',
        '/devices/123e4567-e89b-12d3-a456-426655440002',
        '/no-such-page',
      ]) {
        await page.goto(path);
        await settled(page);
        const { violations } = await new AxeBuilder({ page }).analyze();
        found.push(...violations.map(({ id, nodes }) => `${path} ${id}: ${nodes.map(({ html }) => html).join(' ')}`));
      }
      expect(found).toEqual([]);
      expect(faults).toEqual([]);
      await close();
    },
    120_000,
  );
});

describe('A device that is stuck', () => {
  it('says why in at most three clicks from the overview: it has no credential', async () => {
    const { page, close } = await entered('/');
    await page.getByRole('link', { name: 'Devices', exact: true }).click();
    await page.getByRole('link', { name: 'without a password' }).click();
    await page
      .getByText(/Waiting for/)
      .first()
      .waitFor();
    expect(await page.locator('.waits-for').first().innerText()).toMatch(/credential|password|connect/i);
    await close();
  });

  it('is held at its gate, and continues once it is released, which the page shows by itself', async () => {
    const { page, close } = await entered(`/installations/${held}?device=${fleet.devices['north 1']!}`);
    await page.getByText('downloaded', { exact: true }).first().waitFor();
    await page.getByRole('button', { name: 'Release' }).click();
    await page.getByText('installed', { exact: true }).first().waitFor({ timeout: 30_000 });
    await close();
  });
});

describe('The list of devices', () => {
  it('marks the fault of a filter at its position, and keeps the good one in the address', async () => {
    const { page, close } = await entered('/devices');
    await page.getByLabel('Filter').fill('nam==x');
    await page.getByText('At position 1').waitFor();
    await page.getByLabel('Filter').fill('name==north*');
    await page.waitForURL(/filter=/);
    await page.getByText('1 matches').waitFor();
    await page.reload();
    await page.getByText('1 matches').waitFor();
    await close();
  });

  it('is worked by the keyboard alone: filter, select all that match, tag them, follow the job', async () => {
    const { page, close } = await entered('/devices');
    await page.getByRole('grid').focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Space');
    await page.getByText('1 selected').waitFor();
    const press = async (name: string | RegExp): Promise<void> => {
      await page.getByRole('button', { name }).focus();
      await page.keyboard.press('Enter');
    };
    await press(/^Select all 4/);
    await press('Do something to them…');
    await page.getByRole('textbox', { name: 'Tag' }).focus();
    await page.keyboard.type('north');
    await press('Count them first');
    await page.getByText('4 devices').waitFor();
    await press('Begin');
    await page.getByRole('link', { name: 'follow it' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'tag north' }).waitFor();
    await page.getByText('4 of 4').waitFor({ timeout: 20_000 });
    await close();
  });
});

describe('A reader', () => {
  it('sees the page, and reads what would be needed to change something', async () => {
    const made = await service.operator.call<{ key: string }>('POST', '/v1/api-keys', { name: 'eyes', role: 'reader' });
    const { page, close } = await openPage(browser, url());
    await page.goto(`/devices/${fleet.devices['hall 1']!}`);
    await signIn(page, made.key);
    const button = page.getByRole('button', { name: 'Install…' });
    await button.waitFor();
    await page.locator('button[aria-disabled="true"]').first().waitFor();
    await button.click({ force: true });
    await page.getByText('It needs the permission firmware:write, which eyes does not have.').first().waitFor();
    await close();
  });
});

describe('A sign-in that expires', () => {
  it('is asked for again in place, and the form keeps what was typed', async () => {
    const made = await service.operator.call<{ id: string; key: string }>('POST', '/v1/api-keys', {
      name: 'short',
      role: 'owner',
    });
    const { page, close } = await openPage(browser, url());
    await page.goto('/devices?add=yes');
    await signIn(page, made.key);
    await page.getByLabel('Name', { exact: true }).fill('a new switch');
    await service.operator.call('DELETE', `/v1/api-keys/${made.id}`);
    await page.getByRole('heading', { name: 'Sign in again' }).waitFor({ timeout: 30_000 });
    await page.getByLabel('API key').fill(key());
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('heading', { name: 'Sign in again' }).waitFor({ state: 'hidden' });
    expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('a new switch');
    await close();
  });
});

describe('A service that goes away', () => {
  it('is said within two seconds, what was typed stays, and the page continues by itself', async () => {
    const { page, close } = await entered('/devices?add=yes');
    await page.getByLabel('Name', { exact: true }).fill('typed before');
    await page.waitForTimeout(1_000);
    const api = service.processes().find(({ command }) => command.includes('workers/api.js'))!;
    process.kill(api.pid, 'SIGKILL');
    await page.getByText('The service does not answer').first().waitFor({ timeout: 2_000 });
    await page.getByText('The service does not answer').first().waitFor({ state: 'hidden', timeout: 30_000 });
    expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('typed before');
    await close();
  }, 60_000);
});
