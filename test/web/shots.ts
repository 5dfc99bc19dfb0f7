import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from '@playwright/test';
import { AllInOne } from '../../demo/service/all-in-one.js';
import { openBrowser, openPage, signIn } from './browser.js';
import { storyFleet, type StoryFleet } from './fleet.js';

/**
 * `npm run shots`: a picture of every page in light and dark, 1,280 and 390 pixels wide, of an empty installation and of
 * one with devices of every mood. They are for looking at; nothing is compared.
 */
const FOLDER = process.argv[2] ?? '.cache/shots';
const SIZES = { wide: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } } as const;
const SCHEMES = ['light', 'dark'] as const;

mkdirSync(FOLDER, { recursive: true });
const dataDir = mkdtempSync(join(tmpdir(), 'slipway-shots-'));
const service = new AllInOne('dist/workers/up.js', dataDir, {
  SLIPWAY_LOG_LEVEL: 'warn',
  SLIPWAY_WEBHOOKS_ALLOW_PRIVATE: 'true',
});
await service.start();
const browser = await openBrowser();
let fleet: StoryFleet | undefined;
try {
  await shoot(browser, {
    'sign-in': '/',
    'empty-overview': '/',
    'empty-devices': '/devices',
    'empty-jobs': '/jobs',
    'empty-rollouts': '/rollouts',
    'empty-approvals': '/approvals',
    'empty-artifacts': '/artifacts',
    'empty-types': '/types',
    'empty-webhooks': '/webhooks',
    'empty-templates': '/templates',
    'empty-enrolments': '/enrolments',
    'empty-rollout-new': '/rollouts/new',
  });
  fleet = await storyFleet(service, {
    'north 1': 'good',
    'north 2': 'good',
    'north 3': 'slow',
    'hall 1': 'rejecting',
    'hall 2': 'good',
    'roof 1': 'duplicating',
  });
  await shoot(browser, await full(fleet));
} finally {
  await browser.close();
  await fleet?.stop();
  await service.stop();
  rmSync(dataDir, { recursive: true, force: true });
}

/** Makes something happen on every page. @returns the pages by the names of their pictures */
async function full({ devices, typeId, firmware, install, rollout }: StoryFleet): Promise<Record<string, string>> {
  const { operator } = service;
  // No receiver is there: what a webhook looks like whose deliveries fail.
  const hook = { url: 'http://127.0.0.1:9/slipway', description: 'the pager' };
  const webhook = await operator.call<{ id: string }>('POST', '/v1/webhooks', hook);
  const draft = await operator.call<{ id: string }>('POST', '/v1/firmwares', { name: 'bootloader', version: '2.0.0' });
  await operator.call('POST', '/v1/device-types', {
    name: 'gateway',
    model: 'GW-2',
    slots: { firmware: { name: 'Firmware' }, bootloader: { name: 'Bootloader' } },
  });
  await operator.call('POST', '/v1/rollout-templates', { name: 'carefully', pace: { maxInFlight: 7 } });
  await operator.call('POST', '/v1/api-keys', { name: 'ci', role: 'writer', expiresAt: '2036-11-24T10:00:00.000Z' });
  await operator.call('POST', '/v1/api-keys', { name: 'probe', permissions: ['firmware:read', 'audit_logs:read'] });
  await operator.call('POST', '/v1/tenants', { id: 'acme', name: 'Acme Lighting', quotas: { devices: 5_000 } });
  await operator.call('POST', '/v1/enrolments/preauthorised', { serial: 'SN-0001', deviceTypeId: typeId });
  const batch = { name: 'first batch', deviceTypeId: typeId, uses: 50, expiresAt: '2036-11-24T10:00:00.000Z' };
  await operator.call('POST', '/v1/enrolment-tokens', batch);
  const old = await firmware('1.4.0');
  for (const name of ['north 1', 'north 2', 'hall 2', 'roof 1']) await install(name, old);
  const gateway = devices['hall 2']!;
  for (const floor of [1, 2])
    await operator.device({ name: `meter ${floor}`, deviceTypeId: typeId, connectedBy: gateway });
  await sleep(6_000);
  const next = await firmware('1.5.0');
  const held = await install('north 1', next, { gate: 'hold' });
  await install('hall 1', next);
  const waiting = await install('never connected', next);
  const slow = await install('north 3', next);
  const body = { filter: 'online==true', action: 'tag', tag: 'seen' };
  const job = await operator.call<{ id: string }>('POST', '/v1/devices/bulk', body);
  await operator.call('POST', '/v1/devices/bulk', { filter: 'name==north*', action: 'untag', tag: 'seen' });
  const stopped = await rollout('switch 1.5.0', next, ['hall 1', 'never connected', 'without a password']);
  const judged = await rollout('switch 1.5.0, north', next, ['north 2', 'hall 2', 'roof 1', 'never connected'], {
    groups: [
      {
        name: 'early',
        filter: 'tag==good,tag==duplicating',
        gate: { maxFailureRate: 0.5, confidence: 0.8 },
        approval: { required: 2, expiresAfter: 'P3D' },
      },
      { name: 'rest' },
    ],
  });
  await operator.call('PATCH', `/v1/rollouts/${judged}`, { pace: { maxInFlight: 50 } });
  await rollout('switch 1.5.0, roof', next, ['roof 1'], { groups: [{ name: 'all' }], approval: { required: 2 } });
  await sleep(8_000);
  const of = (name: string, id: string) => `/installations/${id}?device=${devices[name]!}`;
  return {
    overview: '/',
    devices: '/devices',
    'devices-fault': '/devices?filter=online%3D%3Dtrue%3Bnam%3D%3Dx',
    'devices-add': '/devices?add=yes',
    device: `/devices/${devices['north 1']!}`,
    'device-silent': `/devices/${devices['without a password']!}`,
    'device-installations': `/devices/${devices['hall 1']!}?tab=installations`,
    'device-access': `/devices/${devices['north 1']!}?tab=access`,
    'device-children': `/devices/${gateway}?tab=children`,
    'device-diagnostics': `/devices/${devices['roof 1']!}?tab=diagnostics`,
    'device-data': `/devices/${devices['roof 1']!}?tab=data`,
    installation: of('north 1', held),
    'installation-waiting': of('never connected', waiting),
    'installation-slow': of('north 3', slow),
    gateways: '/gateways',
    rollouts: '/rollouts',
    'rollout-new': `/rollouts/new?filter=name%3D%3Dnorth*&firmware=${next}`,
    'rollouts-none': '/rollouts?q=nothing',
    rollout: `/rollouts/${stopped}`,
    'rollout-interval': `/rollouts/${judged}`,
    'rollout-devices': `/rollouts/${stopped}?tab=devices`,
    'rollout-history': `/rollouts/${judged}?tab=history`,
    'rollout-plan': `/rollouts/${judged}?tab=plan`,
    approvals: '/approvals',
    jobs: '/jobs',
    job: `/jobs/${job.id}`,
    artifacts: '/artifacts',
    'artifacts-slots': '/artifacts?tab=slots',
    artifact: `/artifacts/${next}`,
    'artifact-draft': `/artifacts/${draft.id}`,
    types: '/types',
    'types-add': '/types?add=yes',
    type: `/types/${typeId}`,
    keys: '/keys',
    'keys-add': '/keys?add=yes',
    audit: '/audit',
    webhooks: '/webhooks',
    'webhooks-add': '/webhooks?add=yes',
    webhook: `/webhooks/${webhook.id}`,
    templates: '/templates',
    enrolments: '/enrolments',
    'enrolment-tokens': '/enrolments?tab=tokens',
    settings: '/settings',
    tenants: '/tenants',
    tenant: '/tenants/default',
    'no-such-device': '/devices/123e4567-e89b-12d3-a456-426655440002',
    'no-such-page': '/nothing',
  };
}

async function shoot(browser: Browser, pages: Readonly<Record<string, string>>): Promise<void> {
  const key = readFileSync(join(dataDir, 'admin-token'), 'utf8').trim();
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of SCHEMES) {
      const { page, faults, close } = await openPage(browser, service.endpoints.http, { viewport, colorScheme });
      let isIn = false;
      for (const [name, path] of Object.entries(pages)) {
        await page.goto(path);
        if (name !== 'sign-in' && !isIn) {
          await signIn(page, key);
          isIn = true;
        }
        await page.waitForLoadState('domcontentloaded');
        await page.getByRole('heading', { level: 1 }).waitFor();
        await page.getByRole('status', { name: 'Loading' }).first().waitFor({ state: 'hidden' });
        await sleep(name === 'overview' ? 4_500 : 500);
        // What a rollout shows is higher than a screen.
        const fullPage = name.startsWith('rollout');
        await page.screenshot({ path: join(FOLDER, `${name}-${size}-${colorScheme}.png`), fullPage });
      }
      if (faults.length > 0) console.error(faults.join('\n'));
      await close();
    }
  }
  console.log(`pictures of ${Object.keys(pages).length} pages are in ${FOLDER}`);
}
