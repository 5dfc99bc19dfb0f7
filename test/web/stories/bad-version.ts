import { describe, expect, it } from '@jest/globals';
import { until } from '../../support/all-in-one.js';
import type { Stage } from './stage.js';

/** A version that boots on some devices only. */
export function badVersion(stage: Stage): void {
  describe('A bad version', () => {
    it('is stopped at the canary: which devices, which error, what the bound was; and goes back from there', async () => {
      const { fleet } = stage;
      const earlier = await fleet.firmware('1.4.0');
      await stage.reaches('bad 3', await fleet.install('bad 3', earlier), 'installed');
      const rolloutId = await fleet.rollout(
        'switch 1.5.0',
        await fleet.firmware('1.5.0'),
        ['bad 1', 'bad 2', 'bad 3', 'calm 1', 'calm 2'],
        { groups: [{ name: 'canary', filter: 'name=="bad *"', gate: { minSuccess: 0.9 } }, { name: 'rest' }] },
      );
      await until('the canary pauses it', async () => (await stage.rollout(rolloutId)).phase === 'paused');

      const { page, faults, close } = await stage.entered('/');
      await page
        .getByRole('region', { name: 'Rollouts, worst first' })
        .getByRole('link', { name: 'switch 1.5.0' })
        .click();
      await page.getByText('Paused: gate failed, group canary').waitFor();
      expect(await page.locator('.pause-because').innerText()).toMatch(/1 of 3 ended targets succeeded; 90 % required/);
      await page.getByText('failures 66.7 % of 3; limit 10 %').waitFor();
      const failures = page.getByRole('region', { name: 'Failures by reason' });
      const reason = failures.getByRole('row', { name: /BOOT_FAILED_ROLLED_BACK/ });
      expect(await reason.getByRole('cell').first().innerText()).toBe('2');
      const { 'bad 1': first, 'bad 2': second } = fleet.devices;
      const example = await reason.getByRole('link').getAttribute('href');
      expect([`/devices/${first!}`, `/devices/${second!}`]).toContain(example);

      await page
        .getByRole('navigation', { name: 'Parts of the rollout' })
        .getByRole('link', { name: 'Devices' })
        .click();
      const failed = page.getByRole('region', { name: 'Failed' });
      for (const name of ['bad 1', 'bad 2']) await failed.getByRole('link', { name }).waitFor();
      const untouched = page.getByRole('row', { name: /calm/ });
      expect(await untouched.count()).toBe(2);
      for (const row of await untouched.all()) expect(await row.innerText()).toMatch(/pending/);

      await page.getByRole('button', { name: 'Roll back…' }).click();
      await page.getByLabel('Reason, if you like').fill('it does not boot on every device');
      await page.getByRole('dialog').getByRole('button', { name: 'Roll back', exact: true }).click();
      await page.getByText('aborted', { exact: true }).first().waitFor({ timeout: 30_000 });
      await page.getByRole('link', { name: 'How it goes' }).click();
      await page.getByText('Rolled back: 1.').waitFor();
      await page.goto(`/devices/${fleet.devices['bad 3']!}`);
      await page.locator('.slot').getByText('1.4.0').first().waitFor();
      for (const name of ['calm 1', 'calm 2']) {
        const path = `/v1/devices/${fleet.devices[name]!}/firmware-installations`;
        expect(await stage.service.operator.all(path)).toEqual([]);
      }
      expect(faults).toEqual([]);
      await close();
    }, 90_000);
  });
}
