import type { Browser } from '@playwright/test';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestedAllInOne, until } from '../support/all-in-one.js';
import { openBrowser, openPage, signIn } from './browser.js';
import { storyFleet, type StoryFleet } from './fleet.js';

const service = new TestedAllInOne();
let browser: Browser;
let fleet: StoryFleet;
let held: string;
let stopped: string;
let unapproved: string;
const url = () => service.endpoints.http;
const key = () => service.operator.token;
const rollout = (id: string) =>
  service.operator.call<{ phase: string; pauses: { reason: string }[] }>('GET', `/v1/rollouts/${id}`);

beforeAll(async () => {
  [browser] = await Promise.all([openBrowser(), service.start()]);
  fleet = await storyFleet(service, { 'north 1': 'good', 'hall 1': 'rejecting' });
  const firmwareId = await fleet.firmware('1.5.0');
  held = await fleet.install('north 1', firmwareId, { gate: 'hold' });
  await fleet.install('without a password', firmwareId);
  stopped = await fleet.rollout('bad version', firmwareId, ['hall 1', 'never connected']);
  unapproved = await fleet.rollout('needs a vote', firmwareId, ['never connected'], {
    groups: [{ name: 'all' }],
    approval: { required: 1 },
  });
  await until('the canary pauses it', async () => (await rollout(stopped)).phase === 'paused');
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

describe('Tabs of a page', () => {
  it.each(['device', 'rollout'] as const)('of a %s mark the one that is shown, and no other', async (kind) => {
    const tab = kind === 'device' ? 'installations' : 'devices';
    const of = kind === 'device' ? `/devices/${fleet.devices['north 1']!}` : `/rollouts/${stopped}`;
    const { page, close } = await entered(`${of}?tab=${tab}`);
    const marked = page.locator('.tabs a[aria-current]');
    await page.locator('.tabs').waitFor();
    expect(await marked.allInnerTexts()).toEqual([kind === 'device' ? 'Installations' : 'Devices']);
    await page.goto(of);
    await page.locator('.tabs').waitFor();
    expect(await marked.count()).toBe(1);
    await close();
  });
});

describe('A rollout that its gate has paused', () => {
  it('is first in the list, says why with an example, and resumes with a comment only', async () => {
    const { page, faults, close } = await entered('/rollouts');
    const first = page.getByRole('region', { name: 'Need a person' });
    await first.getByRole('link', { name: 'bad version' }).click();
    await page.getByText('Paused: gate failed, group canary').waitFor();
    expect(await page.locator('.pause-because').innerText()).toMatch(/0 of 1 ended target succeeded; 100 % required/);
    await page.getByText('failures 100 % of 1; limit 0 %').waitFor();
    const failures = page.getByRole('region', { name: 'Failures by reason' });
    await failures.getByText('INCOMPATIBLE').waitFor();
    expect(await failures.getByRole('link').getAttribute('href')).toContain(fleet.devices['hall 1']!);
    await page.getByRole('link', { name: 'Devices', exact: true }).last().click();
    await page.getByRole('region', { name: 'Failed' }).getByRole('link', { name: 'hall 1' }).waitFor();

    await page.getByRole('button', { name: 'Resume despite the gate…' }).click();
    const dialog = page.getByRole('dialog');
    const resume = dialog.getByRole('button', { name: 'Resume', exact: true });
    await resume.click({ force: true });
    await dialog.getByText('Write a comment: it overrides the gate.').first().waitFor();
    expect((await rollout(stopped)).phase).toBe('paused');
    await dialog.getByLabel('Comment').fill('this device is too old, the others are not');
    await resume.click();
    await page.getByText('running', { exact: true }).first().waitFor({ timeout: 20_000 });
    expect((await rollout(stopped)).pauses).toEqual([]);
    await page.getByRole('link', { name: 'History' }).click();
    await page.getByText('this device is too old, the others are not').first().waitFor();
    expect(faults).toEqual([]);
    await close();
  });

  it('shows what an amendment changed, and sends no command for a plan that was amended meanwhile', async () => {
    const { page, close } = await entered(`/rollouts/${stopped}`);
    await page.getByRole('button', { name: 'Pause…' }).click();
    await service.operator.call('PATCH', `/v1/rollouts/${stopped}`, { pace: { maxInFlight: 7 } });
    await page.getByRole('dialog').getByRole('button', { name: 'Pause', exact: true }).click();
    await page.getByText('It was changed meanwhile').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
    await page.getByRole('link', { name: 'History' }).click();
    const change = page.locator('.diff li', { hasText: 'pace.maxInFlight' });
    await change.locator('ins', { hasText: '7' }).waitFor({ timeout: 20_000 });
    await close();
  });
});

describe('A new rollout', () => {
  it('is written step by step with its forecast beside it, survives a reload, and is the same as YAML', async () => {
    const { page, faults, close } = await entered('/rollouts');
    await page.getByRole('link', { name: 'New rollout' }).click();
    await page.getByText('Choose what is installed.').first().waitFor();
    await page.getByLabel('Artifact').selectOption({ label: 'switch 1.5.0' });
    await page.getByLabel('Devices that match').fill('nam==x');
    await page.getByText('At position 1').waitFor();
    await page.getByLabel('Devices that match').fill('id==*');
    await page.getByText('4 devices now.').waitFor();
    const forecast = page.getByRole('region', { name: 'Forecast' });
    await forecast.getByRole('row', { name: /^canary/ }).waitFor({ timeout: 30_000 });
    await page.getByRole('button', { name: 'Change them…' }).click();
    await page.getByLabel('Name of group 2').fill('second');
    await forecast.getByRole('row', { name: /^second/ }).waitFor({ timeout: 30_000 });
    await page.getByLabel('At once, at most').fill('none');
    await page
      .getByText(/expected int|number/i)
      .first()
      .waitFor({ timeout: 30_000 });
    await page.getByLabel('At once, at most').fill('2');
    await page.getByLabel('Name', { exact: true }).fill('all of them');

    await page.reload();
    expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('all of them');
    await page.getByRole('link', { name: 'As YAML' }).click();
    const yaml = page.getByLabel(/^As slipway rollout create/);
    expect(await yaml.inputValue()).toMatch(/name: all of them[^]*maxInFlight: 2/);
    await yaml.fill((await yaml.inputValue()).replace('maxInFlight: 2', 'maxInFlight: 3'));
    await page.getByRole('link', { name: 'Step by step' }).click();
    expect(await page.getByLabel('At once, at most').inputValue()).toBe('3');

    await page.getByRole('button', { name: 'Create the rollout' }).click();
    await page.getByRole('heading', { name: 'all of them', level: 1 }).waitFor();
    const made = await rollout(new URL(page.url()).pathname.split('/').at(-1)!);
    expect(made).toMatchObject({ phase: 'draft', pace: { maxInFlight: 3 } });
    await page.goto('/rollouts/new');
    expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('');
    expect(faults).toEqual([]);
    await close();
  }, 90_000);
});

describe('An approval', () => {
  it('is rejected with a reason only, is given from the overview, and then nothing waits', async () => {
    const { page, faults, close } = await entered('/');
    await page.getByRole('link', { name: 'Look at what waits' }).click();
    const waiting = page.getByRole('region', { name: 'needs a vote' });
    await waiting.getByText('0 of 1').waitFor();
    await waiting.getByRole('button', { name: 'Reject…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Reject', exact: true }).click({ force: true });
    await page.getByText('Write the reason of the rejection.').first().waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
    await waiting.getByRole('button', { name: 'Approve…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Approve', exact: true }).click();
    await page.getByText('Nothing waits for an approval').waitFor({ timeout: 20_000 });
    await until('it runs', async () => (await rollout(unapproved)).phase === 'running');
    expect(faults).toEqual([]);
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

describe('A reader of rollouts', () => {
  it('sees them all, and reads which permission each action takes', async () => {
    const made = await service.operator.call<{ key: string }>('POST', '/v1/api-keys', {
      name: 'looks',
      role: 'reader',
    });
    const { page, close } = await openPage(browser, url());
    await page.goto(`/rollouts/${stopped}`);
    await signIn(page, made.key);
    await page.getByRole('button', { name: 'Pause…' }).click({ force: true });
    await page.getByText('It takes the permission rollouts:write.').first().waitFor();
    expect(await page.getByRole('dialog').count()).toBe(0);
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
