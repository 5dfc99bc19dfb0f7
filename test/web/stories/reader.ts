import { describe, expect, it } from '@jest/globals';
import type { Page } from '@playwright/test';
import type { Stage } from './stage.js';

/** Requests that change nothing although they are no GET. */
const ONLY_ASKS = /\/v1\/rollout-simulations$/;

/** An operator who may read everything and write nothing. */
export function reader(stage: Stage): void {
  describe('A reader without rights', () => {
    it('sees every page, presses every button, breaks nothing, and reads what would be needed', async () => {
      const { fleet, service } = stage;
      const { key } = await stage.person('eyes', 'reader');
      const rolloutId = await fleet.rollout('to look at', await fleet.firmware('1.9.0'), ['never connected'], {
        groups: [{ name: 'all' }],
        approval: { required: 1 },
      });
      const installationId = await fleet.install('never connected', await fleet.firmware('1.9.1'));
      const device = fleet.devices['never connected']!;
      const job = await service.operator.call<{ id: string }>('POST', '/v1/devices/bulk', {
        filter: 'name==north*',
        action: 'tag',
        tag: 'seen',
      });

      const { page, faults, close } = await stage.entered('/', key);
      const sent: string[] = [];
      page.on('request', (request) => {
        const { pathname } = new URL(request.url());
        if (request.method() !== 'GET' && !ONLY_ASKS.test(pathname)) sent.push(`${request.method()} ${pathname}`);
      });
      const needed = new Set<string>();
      for (const path of [
        '/',
        '/devices',
        `/devices/${device}`,
        `/devices/${device}?tab=installations`,
        `/devices/${device}?tab=access`,
        `/installations/${installationId}?device=${device}`,
        '/gateways',
        '/rollouts',
        `/rollouts/${rolloutId}`,
        `/rollouts/${rolloutId}?tab=plan`,
        '/approvals',
        '/jobs',
        `/jobs/${job.id}`,
      ]) {
        await page.goto(path);
        await page.getByRole('heading', { level: 1 }).waitFor();
        await page.getByRole('status', { name: 'Loading' }).first().waitFor({ state: 'hidden' });
        expect([path, await page.getByText('You may not see this').count()]).toEqual([path, 0]);
        for (const sentence of await pressAll(page)) needed.add(sentence);
      }
      expect(sent).toEqual([]);
      const sentences = [...needed].join('\n');
      for (const permission of ['devices_base_data:write', 'firmware:write', 'rollouts:write', 'rollouts:approve'])
        expect(sentences).toContain(permission);
      expect(faults).toEqual([]);
      await close();
    }, 120_000);
  });
}

/**
 * Presses each button of the page, and in what opens each button again.
 * @returns what buttons say that are not possible
 */
async function pressAll(page: Page): Promise<string[]> {
  const said: string[] = [];
  const buttons = page.locator('main').getByRole('button');
  const count = await buttons.count();
  for (let index = 0; index < count; index += 1) {
    const button = buttons.nth(index);
    if (!(await button.isVisible().catch(() => false))) continue;
    if ((await button.getAttribute('aria-disabled')) === 'true') {
      await button.click({ force: true });
      said.push((await button.getAttribute('title')) ?? '');
      expect(await page.getByRole('dialog').count()).toBe(0);
      continue;
    }
    await button.click({ force: true });
    const dialog = page.getByRole('dialog');
    if ((await dialog.count()) === 0) continue;
    for (const inner of await dialog.getByRole('button').all()) {
      if ((await inner.innerText()) === 'Close') continue;
      said.push((await inner.getAttribute('title')) ?? '');
      await inner.click({ force: true });
    }
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
  }
  return said.filter((sentence) => sentence !== '');
}
