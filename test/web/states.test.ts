import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, Page, Route } from '@playwright/test';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestedAllInOne, until } from '../support/all-in-one.js';
import { openBrowser, openPage, signIn, type WatchedPage } from './browser.js';
import { storyFleet, type StoryFleet } from './fleet.js';

/** Every page of the dashboard, in each of its states: axe finds nothing, and no page breaks the policy for scripts. */
const service = new TestedAllInOne(undefined, { SLIPWAY_WEBHOOKS_ALLOW_PRIVATE: 'true' });
let browser: Browser;
let fleet: StoryFleet | undefined;
beforeAll(async () => {
  [browser] = await Promise.all([openBrowser(), service.start()]);
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await fleet?.stop();
  await service.stop();
  service.remove();
}, 60_000);

/** Pages that ask the service for something before they show anything, and what a key lacks that may do nothing else. */
const LISTS = [
  '/',
  '/devices',
  '/gateways',
  '/rollouts',
  '/approvals',
  '/jobs',
  '/artifacts',
  '/types',
  '/templates',
  '/enrolments',
  '/enrolments?tab=tokens',
  '/webhooks',
  '/keys',
  '/audit',
  '/settings',
  '/tenants',
] as const;
/** Rules of axe that depend on colours: in the dark only these can differ from the light. */
const OF_COLOURS = ['color-contrast', 'link-in-text-block'];
/** What a page asks for before it shows anything of its own. */
const OF_THE_FRAME = ['/v1/me', '/v1/about', '/v1/auth/config'];

async function entered(key: string): Promise<WatchedPage> {
  const opened = await openPage(browser, service.endpoints.http, { colorScheme: 'light' });
  await opened.page.goto('/');
  await signIn(opened.page, key);
  return opened;
}

const shown = async (page: Page): Promise<void> => {
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.getByRole('status', { name: 'Loading' }).first().waitFor({ state: 'hidden' });
};

/** @returns what axe finds, in light and then in the dark */
async function violationsOf(page: Page, path: string): Promise<string[]> {
  const found = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const axe = new AxeBuilder({ page });
    if (colorScheme === 'dark') axe.withRules(OF_COLOURS);
    const { violations } = await axe.analyze();
    for (const { id, nodes } of violations)
      found.push(`${path}, ${colorScheme}, ${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  }
  return found;
}

/** Visits pages one by one. @returns what axe finds on them */
async function examined({ page }: WatchedPage, paths: readonly string[]): Promise<string[]> {
  const found = [];
  for (const path of paths) {
    await page.emulateMedia({ colorScheme: 'light' });
    await page.goto(path);
    await shown(page);
    found.push(...(await violationsOf(page, path)));
  }
  return found;
}

/**
 * Visits every page for a state that looks the same on all of them: each has to have it, and axe examines the first two.
 * @param look for what shows the state
 */
async function alike(
  { page }: WatchedPage,
  look: () => Promise<unknown>,
  paths: readonly string[] = LISTS,
): Promise<string[]> {
  const found = [];
  for (const [index, path] of paths.entries()) {
    await page.goto(path);
    await look().catch((cause: unknown) => {
      throw new Error(`${path} does not show it`, { cause });
    });
    if (index < 2) found.push(...(await violationsOf(page, path)));
  }
  return found;
}

/** Answers what the page itself asks for; who is signed in is still told by the service. */
async function answering(page: Page, answer: (route: Route) => Promise<void>): Promise<void> {
  await page.route('**/v1/**', (route) => {
    const { pathname } = new URL(route.request().url());
    return OF_THE_FRAME.includes(pathname) ? route.continue() : answer(route);
  });
}

describe('Each page', () => {
  it('with nothing to show says what it is for', async () => {
    const opened = await entered(service.operator.token);
    expect(await examined(opened, [...LISTS, '/rollouts/new', '/artifacts?tab=slots'])).toEqual([]);
    expect(opened.faults).toEqual([]);
    await opened.close();
  }, 240_000);

  it('while its answer is on its way shows as much as will come', async () => {
    const opened = await entered(service.operator.token);
    await answering(opened.page, () => new Promise(() => undefined));
    const skeleton = opened.page.getByRole('status', { name: 'Loading' }).first();
    expect(await alike(opened, () => skeleton.waitFor())).toEqual([]);
    await opened.close();
  }, 240_000);

  it('whose answer is a fault of the service says so, and can be asked again', async () => {
    const opened = await entered(service.operator.token);
    const body = { errorCode: 'INTERNAL', errorMessage: 'The service failed.', requestId: 'a' };
    await answering(opened.page, (route) => route.fulfill({ status: 500, json: body }));
    const again = opened.page.getByRole('alert').getByRole('button', { name: 'Try again' }).first();
    expect(await alike(opened, () => again.waitFor())).toEqual([]);
    await opened.close();
  }, 240_000);

  it('that one may not see says which permission it takes', async () => {
    const made = await service.operator.call<{ key: string }>('POST', '/v1/api-keys', {
      name: 'only the trust',
      permissions: ['trust:read'],
    });
    const opened = await entered(made.key);
    const refused = opened.page.getByText('You may not see this').first();
    // Anyone may list jobs: it shows those of what one may do.
    const closed = LISTS.filter((path) => path !== '/jobs');
    expect(await alike(opened, () => refused.waitFor(), closed)).toEqual([]);
    await opened.page.getByText(/^Ask an owner for the permission tenants:read\.$/).waitFor();
    expect(opened.faults).toEqual([]);
    await opened.close();
  }, 240_000);

  it('with all that it can show has no violation of axe and of the content security policy', async () => {
    const opened = await entered(service.operator.token);
    expect(await examined(opened, await everything())).toEqual([]);
    expect(opened.faults).toEqual([]);
    await opened.close();
  }, 600_000);
});

/** Makes something of each kind. @returns the pages that show it */
async function everything(): Promise<string[]> {
  const { operator } = service;
  const made = (path: string, body: object): Promise<string> =>
    operator.call<{ id: string }>('POST', path, body).then(({ id }) => id);
  fleet = await storyFleet(service, { 'north 1': 'good', 'hall 1': 'rejecting' });
  const firmwareId = await fleet.firmware('1.5.0');
  const held = await fleet.install('north 1', firmwareId, { gate: 'hold' });
  await fleet.install('without a password', firmwareId);
  const stopped = await fleet.rollout('bad version', firmwareId, ['hall 1', 'never connected']);
  const unapproved = await fleet.rollout('needs a vote', firmwareId, ['never connected'], {
    groups: [{ name: 'all' }],
    approval: { required: 1 },
  });
  const webhook = await made('/v1/webhooks', { url: 'http://127.0.0.1:9/slipway', description: 'the pager' });
  const draft = await made('/v1/firmwares', { name: 'without a file' });
  await made('/v1/rollout-templates', { name: 'carefully', pace: { maxInFlight: 7 } });
  await made('/v1/enrolments/preauthorised', { serial: 'SN-0001', deviceTypeId: fleet.typeId });
  const expiresAt = new Date(Date.now() + 86_400_000).toISOString();
  await made('/v1/enrolment-tokens', { deviceTypeId: fleet.typeId, uses: 5, expiresAt });
  const job = await made('/v1/devices/bulk', { filter: 'name==north*', action: 'tag', tag: 'seen' });
  await until('the canary pauses it', async () => {
    const { phase } = await operator.call<{ phase: string }>('GET', `/v1/rollouts/${stopped}`);
    return phase === 'paused';
  });
  const device = `/devices/${fleet.devices['north 1']!}`;
  const none = '123e4567-e89b-12d3-a456-426655440002';
  return [
    ...LISTS,
    '/devices?filter=nam%3D%3Dx',
    '/devices?filter=name%3D%3Dnothing',
    '/devices?add=yes',
    ...['', '?tab=installations', '?tab=access', '?tab=children', '?tab=diagnostics', '?tab=data'].map(
      (tab) => device + tab,
    ),
    `/devices/${none}`,
    `/installations/${held}?device=${fleet.devices['north 1']!}`,
    `/jobs/${job}`,
    '/rollouts?phase=paused&q=bad',
    '/rollouts?q=nothing-has-this-name',
    `/rollouts/new?filter=name%3D%3Dnorth*&firmware=${firmwareId}`,
    '/rollouts/new?tab=yaml',
    ...['', '?tab=devices', '?tab=history', '?tab=plan'].map((tab) => `/rollouts/${stopped}${tab}`),
    `/rollouts/${unapproved}`,
    `/rollouts/${none}`,
    '/artifacts?q=nothing-has-this-name',
    '/artifacts?tab=slots',
    `/artifacts/${firmwareId}`,
    `/artifacts/${draft}`,
    `/artifacts/${none}`,
    '/types?add=yes',
    `/types/${fleet.typeId}`,
    '/keys?add=yes',
    '/audit?actor=key:no-such-key',
    '/webhooks?add=yes',
    `/webhooks/${webhook}`,
    '/tenants?add=yes',
    '/tenants/default',
    '/no-such-page',
  ];
}
